"""What is about to be done, in the words in which rules speak."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from workhand.core.calls import stated, telling
from workhand.core.canonical import digest
from workhand.core.consent.running import Part, absolute, parts_of
from workhand.core.consent.written import MULTIPLE, operands
from workhand.core.events import ActForeseen, ToolCall

ELSEWHERE = ("ssh", "sftp", "scp", "rsync")  # programs that name another computer
SENDS = ("submit", "pay", "post")  # what acts on a page may be meant to do that sends something
SUBJECT_CHARS_MAX = 200


@dataclass(frozen=True, slots=True)
class Action:
    tool: str
    text: str  # what it is, for a person
    arguments: tuple[tuple[str, str], ...] = ()
    parts: tuple[Part, ...] = (Part(),)
    host: str = ""
    method: str = ""
    named: bool = False  # by the session's network
    amount: float | None = None


def action_of(call: ToolCall, foreseen: ActForeseen | None = None) -> Action:
    """Read a call: the commands it runs, the files it writes, the money it names, what it means on a page."""
    arguments = stated(call)
    texts = tuple((name, value) for name, value in arguments.items() if isinstance(value, str))
    if foreseen is not None:
        texts = (*texts, ("intent", foreseen.intent))
        method = "POST" if foreseen.intent in SENDS else "GET"
        return Action(call.tool, foreseen.what, texts, host=foreseen.host, method=method, named=foreseen.named)
    amount = arguments.get("amount")
    return Action(
        call.tool,
        telling(call),
        texts,
        _parts(call.tool, dict(texts)),
        amount=float(amount) if isinstance(amount, int | float) else None,
    )


def contact(host: str, method: str, path: str, *, named: bool) -> Action:
    """Describe a request over the network; ``named`` says whether the session's network names the host."""
    return Action("network", f"{method} {path}", (("path", path),), host=host, method=method, named=named)


def subject(action: Action, part: Part) -> str:
    """Give what an answer about an action holds for, beyond this once: a host, a program, a directory.

    What cannot be read has nothing in common with anything, so only the same again is like it.
    """
    program = posixpath.basename(part.words[0]) if part.words else ""
    if action.host:
        return action.host
    if part.opaque:
        return _exactly(action.text)
    if part.outside:
        return f"{program or action.tool} in {posixpath.dirname(part.outside[0])}"
    if part.words:
        named = operands(program, part.words)
        if program in ELSEWHERE:
            named = tuple(each for each in named if ":" in each) or named
            return " ".join((program, *(each.partition(":")[0] for each in named[:1])))
        return " ".join((program, *named[:1])) if program in MULTIPLE else program
    if part.paths:
        return f"{action.tool} in {posixpath.dirname(part.paths[0])}"
    return action.tool


def _exactly(text: str) -> str:
    if len(text) <= SUBJECT_CHARS_MAX:
        return text
    return f"{text[:SUBJECT_CHARS_MAX]}... ({digest(text.encode())[:16]})"


def _parts(tool: str, texts: dict[str, str]) -> tuple[Part, ...]:
    if tool == "shell_run":
        return parts_of(texts.get("command", "")) or (Part(),)
    if tool == "shell_input":  # what is typed need not be for a shell: only what reads like a command is one
        return tuple(part for part in parts_of(texts.get("text", "")) if part.words) or (Part(),)
    if tool in ("file_write", "file_edit"):
        return (Part(paths=(absolute(texts.get("path", "")),)),)
    return (Part(),)
