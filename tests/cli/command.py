"""The command line as a person has it: real processes, with a home of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workhand.sandbox.snapshots.store import Store

END_S = 180.0
POLL_S = 0.02

PLAN: dict[str, Any] = {"tool": "plan_update", "arguments": {"goal": "The goal.", "phases": ["One", "Two"], "done": 0}}
BEGIN: dict[str, Any] = {"tool": "message_info", "arguments": {"text": "I begin."}}
DELIVER: dict[str, Any] = {"tool": "message_result", "arguments": {"text": "All done."}}


def shell(command: str, **others: object) -> dict[str, Any]:
    return {"tool": "shell_run", "arguments": {"command": command}, **others}


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Give standard output as JSON, one object a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def kinds(self) -> list[str]:
        return [line["event"]["kind"] for line in self.lines]


class Workhand:
    """The command ``workhand``, with its home and its settings in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.home = directory / "home"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "LANG": "C.UTF-8",
            "COLUMNS": "120",
            "WORKHAND_HOME": str(self.home),
            "XDG_CONFIG_HOME": str(directory / "config"),
        }

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> Ran:
        ended = subprocess.run(  # noqa: PLW1510 - its exit code is what is tested
            command(*arguments),
            input=stdin,
            env=self.environment | environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=END_S,
        )
        return Ran(ended.returncode, ended.stdout, ended.stderr)

    def start(self, *arguments: str) -> Running:
        """Start a command that goes on meanwhile, with ``--json``."""
        out = self.directory / f"out-{time.monotonic_ns()}.jsonl"
        with out.open("wb") as stdout, out.with_suffix(".err").open("wb") as stderr:
            process = subprocess.Popen(
                command(*arguments, "--json"),
                env=self.environment,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        return Running(process, out)

    def settings(self, text: str) -> None:
        file = self.directory / "config" / "workhand" / "config.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def script(self, *lines: dict[str, Any]) -> str:
        """Write a script of answers, or write it anew, and give the name of the model that reads it."""
        file = self.directory / "script.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return f"script:{file}"

    def unmount(self) -> None:
        """Take the forks in this home off the host, which would keep their directories busy."""
        if (self.home / "snapshots").is_dir():
            store = Store(self.home / "snapshots")
            for fork in store.forks():
                store.discard(Path(fork.target))

    def session(self) -> str:
        """Give the id of the newest session."""
        return str(self("sessions", "--json").lines[0]["id"])

    def events(self, session: str) -> list[dict[str, Any]]:
        return self("show", session, "--events", "--json").lines


@dataclass(frozen=True, slots=True)
class Running:
    process: subprocess.Popen[bytes]
    out: Path

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.read_bytes().split(b"\n")[:-1]]

    def until(self, kind: str, count: int = 1) -> None:
        """Wait until so many events of a kind have happened."""
        wait(lambda: self.seen(kind) >= count or self.process.poll() is not None)
        assert self.seen(kind) >= count, self.err

    def until_said(self, words: str) -> None:
        """Wait until something has been said on standard error."""
        wait(lambda: words in self.err or self.process.poll() is not None)
        assert words in self.err, self.err

    def seen(self, kind: str) -> int:
        return sum(line["event"]["kind"] == kind for line in self.events())

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> Ran:
        code = self.process.wait(END_S)
        return Ran(code, self.out.read_text(), self.err)

    @property
    def err(self) -> str:
        return self.out.with_suffix(".err").read_text()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "workhand", *arguments]


def wait(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    due = time.monotonic() + END_S
    while not condition():
        assert time.monotonic() < due, "it did not come about"
        time.sleep(POLL_S)
