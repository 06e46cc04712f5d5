"""What is about to be done, in the words in which rules speak."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from workhand.core.calls import stated, telling
from workhand.core.consent.shellwords import Command, commands
from workhand.core.events import ToolCall

HOME = "/home/agent"
FREE = (HOME, "/tmp", "/var/tmp", "/dev/shm", "/dev/null", "/dev/stdout", "/dev/stderr")  # inside a machine
WRITERS = ("rm", "rmdir", "mv", "cp", "ln", "tee", "touch", "mkdir", "truncate", "shred", "chmod", "chown", "unlink")
MULTIPLE = ("git", "npm", "pip", "docker", "cargo", "gh", "kubectl", "terraform", "aws", "gcloud", "az", "twine", "uv")


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that an action does."""

    words: tuple[str, ...] = ()  # of a command
    paths: tuple[str, ...] = ()  # that it writes or removes, absolute
    opaque: bool = False

    @property
    def outside(self) -> bool:
        return any(not _is_free(path) for path in self.paths)


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


def action_of(call: ToolCall) -> Action:
    """Read a call: the commands it runs, the files it writes, the money it names."""
    arguments = stated(call)
    texts = tuple((name, value) for name, value in arguments.items() if isinstance(value, str))
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
    """Give what an answer about an action holds for, beyond this once: a host, a program, a directory."""
    if action.host:
        return action.host
    if part.words:
        program = posixpath.basename(part.words[0])
        following = next((word for word in part.words[1:] if not word.startswith("-")), "")
        return f"{program} {following}" if program in MULTIPLE and following else program
    if part.paths:
        return f"{action.tool} in {posixpath.dirname(part.paths[0])}"
    return action.tool


def _parts(tool: str, texts: dict[str, str]) -> tuple[Part, ...]:
    if tool in ("shell_run", "shell_input"):
        return _run(commands(texts.get("command") or texts.get("text") or "")) or (Part(),)
    if tool in ("file_write", "file_edit"):
        return (Part(paths=(_absolute(texts.get("path", ""), HOME),)),)
    return (Part(),)


def _run(line: tuple[Command, ...]) -> tuple[Part, ...]:
    """Read commands in order, each in the directory that the ones before it went to."""
    parts, directory = [], HOME
    for command in line:
        parts.append(_part(command, directory))
        if command.words[:1] == ("cd",):
            directory = _absolute(command.words[1] if len(command.words) > 1 else HOME, directory)
    return tuple(parts)


def _part(command: Command, directory: str) -> Part:
    written = list(command.written)
    if command.words and posixpath.basename(command.words[0]) in WRITERS:
        written += _operands(command.words)
    written += [word[3:] for word in command.words if word.startswith("of=")]
    return Part(command.words, tuple(_absolute(path, directory) for path in written), command.opaque)


def _operands(words: tuple[str, ...]) -> list[str]:
    """Give what a program works on; of a copy only where it goes to."""
    program, operands = posixpath.basename(words[0]), [word for word in words[1:] if not word.startswith("-")]
    if program in ("chmod", "chown"):
        return operands[1:]
    return operands[-1:] if program in ("cp", "ln") else operands


def _absolute(path: str, directory: str) -> str:
    if path == "~" or path.startswith(("~/", "$HOME", "${HOME}")):
        path = HOME + path.removeprefix("~").removeprefix("${HOME}").removeprefix("$HOME")
    return posixpath.normpath(posixpath.join(directory, path))


def _is_free(path: str) -> bool:
    return any(path == free or path.startswith(free + "/") for free in FREE)
