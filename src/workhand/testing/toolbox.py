"""Tools that do nothing but write down that they were run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from workhand.core.canonical import digest
from workhand.core.events import Observation, ToolCall
from workhand.core.ports import Outcome, Watch


@dataclass
class LedgerToolbox:
    """Answer each call with ``reply(call)`` and keep a ledger of what was run."""

    reply: Callable[[ToolCall], Outcome]
    ledger: list[str] = field(default_factory=list)

    async def run(self, call: ToolCall, watch: Watch) -> Outcome:
        self.ledger.append(call.id)
        return self.reply(call)


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
        return filed(f"{call.tool} is done")


def filed(text: str, *, ok: bool = True, path: str = "results/x.txt") -> Outcome:
    """Make an outcome with its original kept under a path."""
    original = text.encode()
    return Outcome(Observation(text, f"all in {path}", ok, digest(original), path), original)
