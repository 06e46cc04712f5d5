"""The ``message_`` family: how the agent speaks.

What is said is in the call itself, which the log and every view of it have;
these functions check and deliver what is attached.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from workhand.core.ports import Outcome, Sandbox

ATTACHMENT_BYTES_MAX = 256_000_000

Deliver: TypeAlias = Callable[[str, bytes], Awaitable[None]]
"""Takes a file out of the machine: its path inside and its content."""

Search: TypeAlias = Callable[[bytes], Awaitable[tuple[str, ...]]]
"""Names the person's secrets whose values are in a content."""


@dataclass(frozen=True, slots=True)
class MessageInfo:
    text: str


@dataclass(frozen=True, slots=True)
class MessageAsk:
    text: str


@dataclass(frozen=True, slots=True)
class MessageResult:
    text: str
    attachments: tuple[str, ...] = ()


async def message_result(asked: MessageResult, sandbox: Sandbox, deliver: Deliver, search: Search) -> Outcome:
    missing = [path for path in asked.attachments if not await _is_file(sandbox, path)]
    if missing:
        return Outcome(
            f"Not delivered: there is no file {', '.join(missing)}; write it first or leave it out.",
            "message_result: not delivered",
            ok=False,
        )
    for path in asked.attachments:
        content = await sandbox.read(path, bytes_max=ATTACHMENT_BYTES_MAX)
        if held := await search(content):
            return withheld(path, held)
        await deliver(path, content)
    files = f" with {', '.join(asked.attachments)}" if asked.attachments else ""
    return Outcome(f"delivered{files}", f"message_result: delivered{files}")


def withheld(what: str, secrets: tuple[str, ...]) -> Outcome:
    """Say that something was not sent for the secrets that it holds; their names are no secrets."""
    text = f"Not sent: {what} holds the value of {', '.join(secrets)}; take it out, or write the name instead."
    return Outcome(text, text, ok=False)


async def _is_file(sandbox: Sandbox, path: str) -> bool:
    status = await sandbox.status(path)
    return status is not None and status.kind == "file"
