"""Tools that do nothing but write down that they were run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from workhand.core.canonical import digest
from workhand.core.consent.rules import Answer
from workhand.core.events import ActForeseen, FilesNotSaved, FilesSaved, ToolCall
from workhand.core.ports import Outcome, Watch


async def _nothing(call: ToolCall, watch: Watch) -> None:
    return None


@dataclass
class LedgerToolbox:
    """Answer each call with ``reply(call)`` after ``during(call, watch)``; keep a ledger of calls, and files."""

    reply: Callable[[ToolCall], Outcome]
    during: Callable[[ToolCall, Watch], Awaitable[None]] = _nothing
    ledger: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    heeded: tuple[Answer, ...] = ()
    saves: list[FilesSaved | FilesNotSaved] = field(default_factory=list)  # what saving brings, one after the other

    async def run(self, call: ToolCall, watch: Watch) -> Outcome:
        self.ledger.append(call.id)
        await self.during(call, watch)
        return self.reply(call)

    def foresee(self, call: ToolCall) -> ActForeseen:
        return ActForeseen(call.id, "look")

    def heed(self, answers: tuple[Answer, ...]) -> None:
        self.heeded = answers

    async def keep(self, path: str, content: bytes) -> None:
        self.files[path] = content

    async def kept(self, paths: tuple[str, ...]) -> Mapping[str, str]:
        return {path: digest(self.files[path]) for path in paths if path in self.files}

    async def missing(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(path for path in paths if path not in self.files)

    async def save(self, snapshots: tuple[str, ...]) -> FilesSaved | FilesNotSaved | None:
        return self.saves.pop(0) if self.saves else None


def brought(text: str, *, ok: bool = True) -> Outcome:
    """Make an outcome whose content is a text."""
    return Outcome("", "brought", text.encode(), ok)
