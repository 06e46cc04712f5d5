"""The answers that a person gave for every session: one small file, listed and revoked."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from workhand import private
from workhand.core.consent.rules import Answer
from workhand.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Remembered:
    file: Path

    def answers(self) -> tuple[Answer, ...]:
        """Give the answers, oldest first.  Raises ``ConfigError`` for a file that is damaged."""
        if not self.file.exists():
            return ()
        try:
            return tuple(Answer(**each) for each in json.loads(self.file.read_text("utf-8")))
        except (ValueError, TypeError) as error:
            raise ConfigError(
                f"The remembered answers {str(self.file)!r} are damaged; mend the file, or delete it to be asked again."
            ) from error

    def remember(self, rule: str, subject: str) -> None:
        """Add an answer, in place of an earlier one to the same question."""
        with self._locked():
            kept = [each for each in self.answers() if (each.rule, each.subject) != (rule, subject)]
            self._write([*kept, Answer(rule, subject, "always")])

    def revoke(self, answer: Answer) -> None:
        with self._locked():
            self._write([each for each in self.answers() if each != answer])

    def _write(self, answers: list[Answer]) -> None:
        private.write(self.file, json.dumps([asdict(each) for each in answers], indent=1).encode())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
