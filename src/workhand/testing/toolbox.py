"""Tools that do nothing but write down that they were run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import anyio

from workhand.core.canonical import digest
from workhand.core.events import ToolCall
from workhand.core.ports import Outcome, Watch


@dataclass
class LedgerToolbox:
    """Answer each call with ``reply(call)``, keep a ledger of what was run, and the files in ``files``."""

    reply: Callable[[ToolCall], Outcome]
    ledger: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)

    async def run(self, call: ToolCall, watch: Watch) -> Outcome:
        self.ledger.append(call.id)
        return self.reply(call)

    async def keep(self, path: str, content: bytes) -> None:
        self.files[path] = content

    async def kept(self, paths: tuple[str, ...]) -> Mapping[str, str]:
        return {path: digest(self.files[path]) for path in paths if path in self.files}

    async def missing(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(path for path in paths if path not in self.files)


@dataclass
class HeldToolbox:
    """Hold the calls of one tool until they are released; ``running`` is set meanwhile."""

    tool: str
    running: anyio.Event = field(default_factory=anyio.Event)
    release: anyio.Event = field(default_factory=anyio.Event)

    async def run(self, call: ToolCall, watch: Watch) -> Outcome:
        if call.tool == self.tool:
            self.running.set()
            await self.release.wait()
        return Outcome(f"{call.tool} is done", call.tool)

    async def keep(self, path: str, content: bytes) -> None:
        return None

    async def kept(self, paths: tuple[str, ...]) -> Mapping[str, str]:
        return {}

    async def missing(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        return ()


def brought(text: str, *, ok: bool = True) -> Outcome:
    """Make an outcome whose content is a text."""
    return Outcome("", "brought", text.encode(), ok)
