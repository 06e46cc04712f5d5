"""Read a command line into the simple commands that it would run, without running anything.

This helps to ask people good questions.  It is no boundary: whoever wants to hide a command from it can, and
what holds a command in is the machine.  What cannot be read is said to be opaque, and rules may ask for that.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

LINE_CHARS_MAX = 100_000
DEPTH_MAX = 8
OPERATORS = re.compile(r"\|\||&&|;;|\|&|[;|&()\n]")
REDIRECTION = re.compile(r"\d*(?:>>|>\||>&|<>|>)|&>>?|\d*<<<|\d*<<-?|\d*<&?")
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
SHELLS = ("sh", "bash", "dash", "zsh", "ksh")
INTERPRETERS = (*SHELLS, "python", "python3", "perl", "ruby", "node", "php")
KEYWORDS = ("if", "then", "else", "elif", "while", "until", "do", "!", "{", "time")
ENDINGS = ("fi", "done", "esac", "}")
WRAPPERS: dict[str, tuple[str, ...]] = {  # a command that runs another, and its options that take a value
    "sudo": ("-u", "-g", "-h", "-p", "-C"),
    "doas": ("-u",),
    "env": ("-u", "-C", "-S"),
    "nohup": (),
    "nice": ("-n",),
    "ionice": ("-c", "-n"),
    "timeout": ("-k", "-s"),
    "stdbuf": ("-i", "-o", "-e"),
    "xargs": ("-n", "-I", "-P", "-L", "-d", "-a", "-s", "-E"),
    "exec": ("-a",),
    "command": (),
    "builtin": (),
    "setsid": (),
    "watch": ("-n",),
}


@dataclass(frozen=True, slots=True)
class Command:
    words: tuple[str, ...]
    written: tuple[str, ...] = ()  # files that its output goes to
    opaque: bool = False


@dataclass(slots=True)
class _Reading:
    """How far a line has been read."""

    text: str
    at: int = 0
    inner: list[str] = field(default_factory=list)  # scripts in substitutions
    unreadable: bool = False


def commands(line: str, depth: int = 0) -> tuple[Command, ...]:
    """Give the simple commands of a line in order, those in substitutions and behind wrappers included."""
    if len(line) > LINE_CHARS_MAX or depth > DEPTH_MAX:
        return (Command((), opaque=True),)
    return tuple(each for found in _simple(line, depth) for each in found)


def _simple(line: str, depth: int) -> Iterator[list[Command]]:
    reading = _Reading(line)
    words: list[str] = []
    written: list[str] = []
    piped = False
    for kind, text in _tokens(reading):
        if kind == "word":
            words.append(text)
        elif kind == "written":
            written.append(text)
        else:
            yield _finished(words, written, piped, depth)
            words, written, piped = [], [], text in ("|", "|&")
    yield _finished(words, written, piped, depth)
    for script in reading.inner:
        yield list(commands(script, depth + 1))
    if reading.unreadable:
        yield [Command((), opaque=True)]


def _finished(words: list[str], written: list[str], piped: bool, depth: int) -> list[Command]:
    while words and (words[0] in KEYWORDS or ASSIGNMENT.match(words[0])):
        words = words[1:]
    if words and words[0] in ENDINGS:
        words = []
    if not words:
        return [Command((), tuple(written))] if written else []
    program = posixpath.basename(words[0])
    if program in WRAPPERS:
        return _finished(_behind(words), written, piped, depth + 1) if depth < DEPTH_MAX else [Command((), opaque=True)]
    found = [Command(tuple(words), tuple(written), _is_opaque(program, words, piped))]
    if program in SHELLS and "-c" in words[:-1]:
        found += commands(words[words.index("-c") + 1], depth + 1)
    if program == "find":
        found += _found(words, depth)
    return found


def _is_opaque(program: str, words: list[str], piped: bool) -> bool:
    """Say whether what runs is only known when it runs: what is evaluated, or piped into an interpreter."""
    fed = piped and program in INTERPRETERS and all(word.startswith("-") for word in words[1:] if word != "-")
    return fed or program == "eval" or "$" in words[0]


def _behind(words: list[str]) -> list[str]:
    """Give the command that a wrapper runs."""
    program = posixpath.basename(words[0])
    valued = WRAPPERS[program]
    rest = words[1:]
    while rest and rest[0].startswith("-") and rest[0] != "--":
        rest = rest[2:] if rest[0] in valued else rest[1:]
    if rest[:1] == ["--"]:
        rest = rest[1:]
    return rest[1:] if program == "timeout" else rest


def _found(words: list[str], depth: int) -> list[Command]:
    """Give what ``find`` runs on what it finds."""
    where = tuple(word for word in words[1:2] if not word.startswith("-"))
    found = [Command(("rm", *where))] if "-delete" in words else []
    for index, word in enumerate(words):
        if word in ("-exec", "-execdir", "-ok"):
            rest = words[index + 1 :]
            end = next((at for at, each in enumerate(rest) if each in (";", "+")), len(rest))
            found += _finished([*rest[:end], *where], [], False, depth + 1) if depth < DEPTH_MAX else []
    return found


def _tokens(reading: _Reading) -> Iterator[tuple[str, str]]:
    """Give words, the targets of redirections, and operators."""
    heredocs: list[str] = []
    while reading.at < len(reading.text):
        here = reading.text[reading.at]
        if here in " \t\r" or reading.text.startswith("\\\n", reading.at):
            reading.at += 2 if here == "\\" else 1
        elif here == "#":
            end = reading.text.find("\n", reading.at)
            reading.at = end if end >= 0 else len(reading.text)
        elif (found := REDIRECTION.match(reading.text, reading.at)) and not _is_substitution(reading):
            reading.at = found.end()
            _skip_blanks(reading)
            target = _word(reading)
            if "<<" in found[0] and "<<<" not in found[0]:
                heredocs.append(target)
            elif ">" in found[0] and not target.isdigit() and target != "-":
                yield "written", target
        elif found := OPERATORS.match(reading.text, reading.at):
            reading.at = found.end()
            if found[0] == "\n":
                _skip_heredocs(reading, heredocs)
            yield "operator", found[0]
        else:
            yield "word", _word(reading)


def _is_substitution(reading: _Reading) -> bool:
    return reading.text.startswith(("<(", ">("), reading.at)


def _skip_blanks(reading: _Reading) -> None:
    while reading.text.startswith((" ", "\t"), reading.at):
        reading.at += 1


def _skip_heredocs(reading: _Reading, heredocs: list[str]) -> None:
    for word in heredocs:
        end = re.compile(rf"^\t*{re.escape(word)}$", re.MULTILINE).search(reading.text, reading.at)
        reading.at = end.end() if end else len(reading.text)
    heredocs.clear()


def _word(reading: _Reading) -> str:
    """Read one word with its quotes removed; what is substituted in it is read as a script of its own."""
    text, parts, begin = reading.text, [], reading.at
    while reading.at < len(text):
        here = text[reading.at]
        if here in " \t\r\n;|&()":
            break
        if here in "<>" and reading.at > begin and not _is_substitution(reading):
            break
        parts.append(_piece(reading))
    if reading.at == begin:  # such as a stray parenthesis: it must be passed over
        reading.at += 1
    return "".join(parts)


def _piece(reading: _Reading) -> str:
    text, begin = reading.text, reading.at
    here = text[begin]
    if here == "\\":
        reading.at += 2
        return text[begin + 1 : begin + 2].replace("\n", "")
    if here == "'":
        return _quoted(reading, begin + 1, "'")
    if here == '"':
        return _double(reading)
    if here == "`":
        reading.inner.append(_quoted(reading, begin + 1, "`"))
        return "$(...)"
    if text.startswith(("$(", "<(", ">("), begin):
        return _substituted(reading)
    reading.at += 1
    return here


def _quoted(reading: _Reading, begin: int, end: str) -> str:
    close = reading.text.find(end, begin)
    if close < 0:
        reading.unreadable = True
        close = len(reading.text)
    reading.at = close + 1
    return reading.text[begin:close]


def _double(reading: _Reading) -> str:
    parts: list[str] = []
    reading.at += 1
    while reading.at < len(reading.text):
        here = reading.text[reading.at]
        if here == '"':
            reading.at += 1
            return "".join(parts)
        if here == "\\" and reading.text[reading.at + 1 : reading.at + 2] not in ('"', "\\", "$", "`", "\n"):
            reading.at += 1
            parts.append("\\")
        elif here in "\\`" or reading.text.startswith("$(", reading.at):
            parts.append(_piece(reading))
        else:
            reading.at += 1
            parts.append(here)
    reading.unreadable = True
    return "".join(parts)


def _substituted(reading: _Reading) -> str:
    """Pass over ``$( )``, keeping what is in it for later."""
    begin = reading.at + 2
    depth, at, quote = 1, begin, ""
    while at < len(reading.text) and depth:
        here = reading.text[at]
        if here == "\\":
            at += 1
        elif quote:
            quote = "" if here == quote else quote
        elif here in "'\"":
            quote = here
        else:
            depth += (here == "(") - (here == ")")
        at += 1
    if depth:
        reading.unreadable = True
        at += 1
    reading.inner.append(reading.text[begin : at - 1])
    reading.at = min(at, len(reading.text))
    return "$(...)"
