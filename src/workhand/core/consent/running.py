"""What a shell line would run, and where: its commands, those that they run, and the files that these write.

The line is followed as a shell would: in the directory that was changed to, with the variables that were
set, into scripts, substitutions and the commands that wrappers run.  What only shows when it runs -- the
output of a program given to a shell, a command in an unknown variable -- is opaque.  A path that cannot be
known begins with a dollar or a backtick, as it was written.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from types import MappingProxyType
from typing import Final

from workhand.core.consent.shellwords import COMMANDS_MAX, Line, Simple, read
from workhand.core.consent.words import DEPTH_MAX, Word
from workhand.core.consent.written import written

HOME = "/home/agent"
FREE = (HOME, "/tmp", "/var/tmp", "/dev/shm", "/dev/fd")  # where work leaves nothing behind that matters
DEVICES = ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/zero")
SCRIPTS_MAX: Final = 64  # in one line
WORDS_MAX: Final = 40_000  # in one line, once its variables are known
ALTERNATIVES_MAX: Final = 32  # that braces in a word stand for

SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh", "ash"))
INTERPRETER = re.compile(r"(python|perl|ruby|node|php)[\d.]*")
TELLING = frozenset(("cat", "echo", "printf"))  # what these write can be read, or is a script in a file
TOOLS = frozenset(
    ("CC", "CXX", "PYTHON", "PYTHON3", "PY", "PIP", "NODE", "NPM", "MAKE", "CMAKE", "JAVA", "GO", "SHELL")
)
HOOK = re.compile(
    r"(?:\$\(|`|<\()\s*(?:[\w./$~{}-]*/)?"
    r"(?:conda|mamba|micromamba|pyenv|rbenv|nodenv|fnm|direnv|ssh-agent|brew|opam|zoxide|starship|dircolors|kubectl|helm)\b"
)
WRAPPERS: Final[Mapping[str, tuple[int, tuple[str, ...]]]] = MappingProxyType({  # words to skip; options with a value
    "sudo": (0, ("-u", "-g", "-h", "-p", "-C", "-D", "-r", "-t", "-T", "-U")),
    "doas": (0, ("-u", "-C")),
    "env": (0, ("-u", "-C", "--unset", "--chdir")),
    "nohup": (0, ()),
    "time": (0, ("-f", "-o")),
    "timeout": (1, ("-k", "-s", "--kill-after", "--signal")),
    "nice": (0, ("-n",)),
    "ionice": (0, ("-c", "-n", "-p")),
    "stdbuf": (0, ("-i", "-o", "-e")),
    "setsid": (0, ()),
    "exec": (0, ("-a",)),
    "command": (0, ()),
    "builtin": (0, ()),
    "chroot": (1, ()),
    "flock": (1, ("-w", "-E")),
    "strace": (0, ("-e", "-o", "-p", "-s")),
    "xvfb-run": (0, ("-s", "-n", "-e", "-f")),
    "watch": (0, ("-n",)),
    "xargs": (0, ("-I", "-n", "-P", "-L", "-d", "-s", "-a", "-E")),
})  # fmt: skip
_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?::?[-=?+][^}]*)?\}")
_HERE = re.compile(r"\$\(pwd\)|`pwd`")
_FRESH = re.compile(r"\$\(mktemp(?: [^/()]*)?\)")
_TOP = re.compile(r"\$\(git rev-parse --show-toplevel\)")
_BRACES = re.compile(r"(?<!\$)\{([^{}]*,[^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that an action does."""

    words: tuple[str, ...] = ()  # of a command
    paths: tuple[str, ...] = ()  # that it writes or removes: absolute, or not known before it runs
    opaque: bool = False

    @property
    def outside(self) -> tuple[str, ...]:
        """Give the paths that are known to be neither in the workspace nor for temporary files."""
        return tuple(path for path in self.paths if path.startswith("/") and not is_free(path))


def is_free(path: str) -> bool:
    return path in DEVICES or any(path == free or path.startswith(free + "/") for free in FREE)


def parts_of(line: str) -> tuple[Part, ...]:
    """Give what a line would run, in order; a command that runs another comes before it."""
    shell = _Shell()
    shell.follow(read(line))
    return tuple(shell.parts)


def absolute(path: str, directory: str = HOME) -> str:
    """Give where a path leads; one that is not known before it runs stays as it is."""
    if path.startswith(("$", "`")):
        return path
    joined = posixpath.normpath(posixpath.join(directory, path))
    return "/" + joined.lstrip("/") if joined.startswith("//") else joined


@dataclass(slots=True)
class _Shell:
    """What a shell knows while a line runs."""

    parts: list[Part] = field(default_factory=list)
    directories: dict[tuple[int, ...], str] = field(default_factory=lambda: {(): HOME})  # of each group
    variables: dict[str, tuple[Word, ...]] = field(
        default_factory=lambda: {"HOME": (Word(HOME),), "TMPDIR": (Word("/tmp"),)}
    )
    feeding: dict[int, tuple[Word, ...]] = field(default_factory=dict)  # the last command of each pipeline
    scripts: int = 0
    words: int = 0
    depth: int = 0

    def follow(self, line: Line) -> None:
        for simple in line.commands:
            self._assign(simple)
            words = tuple(each for word in simple.words for each in self._known(word, simple))
            self.words += len(words)
            if self.words > WORDS_MAX:
                self._add(Part(opaque=True))
                return
            self._run(words, simple)
            self.feeding[simple.pipeline] = words
        if line.opaque:
            self._add(Part(opaque=True))

    def _assign(self, simple: Simple) -> None:
        values: dict[str, tuple[Word, ...]] = {}
        for name, value in simple.assigned:
            values[name] = (*values.get(name, ()), *self._known(value, simple))
            if len(values[name]) > ALTERNATIVES_MAX:
                values[name] = (*values[name][:ALTERNATIVES_MAX], Word(f"${name}", loose=True))
        self.variables.update(values)

    def _run(self, words: tuple[Word, ...], simple: Simple) -> None:
        texts = tuple(word.text for word in words)
        program = posixpath.basename(texts[0]) if texts else ""
        targets = tuple(each.text for word in simple.targets for each in self._known(word, simple))
        named = (
            *targets,
            *written(program, texts),
            *(_found(texts) if program == "find" and "-delete" in texts else ()),
        )
        directory = self._directory(simple.groups)
        paths = tuple(absolute(each, directory) for each in named if not each.startswith((">(", "<(")))
        opaque = bool(words) and (self._is_unknown(words[0]) or self._is_fed(program, words, simple))
        if words or paths:
            self._add(Part(texts, paths, opaque))
        if not words or opaque:
            return
        if program in ("cd", "pushd"):
            self._go(texts, simple)
        elif program in SHELLS:
            self._script(words, simple)
        elif program == "eval" and not any(word.loose for word in words):
            self._read(" ".join(texts[1:]), simple)
        elif program == "trap":
            self._read(texts[1] if len(texts) > 2 and texts[1] != "-" else "", simple)
        elif program == "find":
            self._execute(words, simple)
        elif program in WRAPPERS:
            self._behind(program, words, simple)

    def _add(self, part: Part) -> None:
        if len(self.parts) < COMMANDS_MAX:
            self.parts.append(part)
        elif not self.parts[-1].opaque:
            self.parts.append(Part(opaque=True))

    def _is_unknown(self, word: Word) -> bool:
        """Say whether the program itself is known only when it runs."""
        if not (word.loose and word.text.startswith(("$", "`"))) or "/" in word.text.rpartition(")")[2]:
            return False
        name = _VARIABLE.fullmatch(word.text)
        return name is None or (name[1] or name[2]) not in TOOLS

    def _is_fed(self, program: str, words: tuple[Word, ...], simple: Simple) -> bool:
        """Say whether a program runs what another one writes, and nobody can read before."""
        given = words[1:]
        if program in (".", "source", *SHELLS) and any(word.text.startswith("<(") for word in given):
            return not any(HOOK.match(word.text) for word in given)
        if program == "eval":
            return any(word.loose for word in given) and not HOOK.match(given[0].text)
        if program in SHELLS:
            reads = _script_of(words) is None
        else:
            reads = INTERPRETER.fullmatch(program) is not None and all(word.text == "-" for word in given)
        before = self.feeding.get(simple.pipeline, ())
        told = bool(before) and before[0].text in TELLING and not any(word.loose for word in before)
        return reads and simple.piped and simple.fed is None and not told

    def _go(self, texts: tuple[str, ...], simple: Simple) -> None:
        to = next((text for text in texts[1:] if not text.startswith("-") or text == "-"), HOME)
        here = self._directory(simple.groups)
        self.directories[simple.groups] = "$OLDPWD" if to == "-" else absolute(to, here)

    def _directory(self, groups: tuple[int, ...]) -> str:
        while groups not in self.directories:
            groups = groups[:-1]
        return self.directories[groups]

    def _script(self, words: tuple[Word, ...], simple: Simple) -> None:
        """Follow a script that a shell is given: in a word, in a here-document, or by a program that says it."""
        script = _script_of(words)
        before = self.feeding.get(simple.pipeline, ()) if simple.piped else ()
        if script is not None:
            self._read(script.text if script.text and _is_inline(words) else "", simple)
        elif simple.fed is not None:
            self._read(simple.fed, simple)
        elif before and before[0].text in ("echo", "printf"):
            self._read(" ".join(word.text for word in before[1:] if not word.text.startswith("-")), simple)

    def _read(self, script: str, simple: Simple) -> None:
        self.scripts += 1
        if self.scripts > SCRIPTS_MAX or self.depth >= DEPTH_MAX:
            self._add(Part(opaque=True))
            return
        self.depth += 1
        line = read(script, self.depth)
        group = (*simple.groups, -self.scripts)
        inner = (
            replace(each, groups=(*group, *each.groups), pipeline=-1_000 * self.scripts - each.pipeline)
            for each in line.commands
        )
        self.follow(Line(tuple(inner), line.opaque))
        self.depth -= 1

    def _behind(self, program: str, words: tuple[Word, ...], simple: Simple) -> None:
        """Follow the command that a wrapper runs."""
        skipped, valued = WRAPPERS[program]
        at = 1
        while at < len(words) and words[at].text.startswith("-") and words[at].text != "--":
            if program == "command" and words[at].text in ("-v", "-V"):
                return
            at += 2 if words[at].text in valued else 1
        at += at < len(words) and words[at].text == "--"
        while program in ("env", "sudo") and at < len(words) and re.match(r"\w+=", words[at].text):
            at += 1
        rest = words[at + skipped :]
        if program == "watch":
            self._read(" ".join(word.text for word in rest), simple)
            return
        if program == "xargs":
            rest = (*rest, *self._listed(simple)) if rest else ()
        if self.depth >= DEPTH_MAX:
            self._add(Part(opaque=True))
        elif rest:
            self.depth += 1
            self._run(rest, replace(simple, targets=()))
            self.depth -= 1

    def _listed(self, simple: Simple) -> tuple[Word, ...]:
        """Give what a command gets from ``xargs``: what was found before it, or something that is not known."""
        texts = tuple(word.text for word in self.feeding.get(simple.pipeline, ())) if simple.piped else ()
        if texts and posixpath.basename(texts[0]) == "find":
            return tuple(Word(each, loose=True) for each in _found(texts))
        return (Word("$(xargs)", loose=True),)

    def _execute(self, words: tuple[Word, ...], simple: Simple) -> None:
        """Follow what ``find`` runs on what it finds."""
        found = tuple(Word(each, loose=True) for each in _found(tuple(word.text for word in words)))
        starts = [at + 1 for at, word in enumerate(words) if word.text in ("-exec", "-execdir", "-ok", "-okdir")]
        for start in starts[:SCRIPTS_MAX] if self.depth < DEPTH_MAX else ():
            end = next((at for at in range(start, len(words)) if words[at].text in (";", "+")), len(words))
            inner = tuple(each for word in words[start:end] for each in (found if word.text == "{}" else (word,)))
            if inner:
                self.depth += 1
                self._run(inner, replace(simple, targets=(), piped=False))
                self.depth -= 1

    def _known(self, word: Word, simple: Simple) -> tuple[Word, ...]:
        """Put what is known in place of what a word begins with, and of its braces."""
        if not word.loose:
            return (word,)
        text = word.text
        if re.match(r"~(?=/|$)", text):
            return _braced(HOME + text[1:])
        if found := _HERE.match(text) or re.match(r"\$PWD\b|\$\{PWD\}", text):
            return _braced(self._directory(simple.groups) + text[found.end() :])
        if found := _FRESH.match(text):
            return _braced("/tmp/fresh" + text[found.end() :])
        if found := _TOP.match(text):
            return _braced(HOME + text[found.end() :])
        if (found := _VARIABLE.match(text)) and (values := self.variables.get(found[1] or found[2])):
            rest = text[found.end() :]
            if rest:
                return tuple(Word(value.text + rest, value.loose) for value in values[:ALTERNATIVES_MAX])
            each_word = (Word(each, value.loose) for value in values for each in value.text.split() or ("",))
            return tuple(islice(each_word, WORDS_MAX - self.words + 1))
        return _braced(text)


def _braced(text: str) -> tuple[Word, ...]:
    """Give the words that braces in a word stand for; where there are too many it stays as it is."""
    found = [text]
    while (at := next((index for index, each in enumerate(found) if _BRACES.search(each)), None)) is not None:
        if len(found) >= ALTERNATIVES_MAX:
            return (Word(text, loose=True),)
        group = _BRACES.search(found[at])
        assert group is not None
        first, last = found[at][: group.start()], found[at][group.end() :]
        found[at : at + 1] = [first + each + last for each in group[1].split(",")]
    return tuple(Word(each, loose=True) for each in found)


def _script_of(words: tuple[Word, ...]) -> Word | None:
    """Give the script that a shell is called with, or the file that has it; nothing if it reads one."""
    rest = iter(words[1:])
    for word in rest:
        if word.text in ("-o", "+o", "-O", "--rcfile", "--init-file"):
            next(rest, None)
        elif word.text == "-s":
            return None
        elif not word.text.startswith(("-", "+")):
            return None if word.text == "/dev/stdin" else word
    return None


def _is_inline(words: tuple[Word, ...]) -> bool:
    return any(re.fullmatch(r"-[a-zA-Z]*c[a-zA-Z]*", word.text) for word in words[1:])


def _found(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Give a path in each of the directories that ``find`` searches."""
    roots: list[str] = []
    for text in texts[1:]:
        if text.startswith(("-", "(", "!")):
            break
        roots.append(text)
    return tuple(f"{root.rstrip('/')}/{{}}" for root in roots or ["."])
