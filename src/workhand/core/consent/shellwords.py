"""A shell line split into the simple commands that it would run, without running anything.

This helps to ask people about the right things.  It is no boundary: whoever wants to hide a command
from it can, with a script in a file for one; the sandbox is what keeps a command from doing harm.

It reads what bash reads: quotes, operators, groups, compound commands, substitutions, here-documents
and redirections.  A function's body and every branch count as if they ran.  Nothing is read twice at
one depth and the depth is bounded, so the time is too.  What cannot be read is said, never guessed:
the line is then opaque, and what was read before still counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from workhand.core.consent.words import ASSIGNMENT, Word, Words

CHARS_MAX: Final = 40_000
COMMANDS_MAX: Final = 500

_SKIPPED = frozenset(
    ["if", "then", "elif", "else", "fi", "while", "until", "do", "done", "{", "}", "!", "coproc", "esac"]
)
_REDIRECTION = re.compile(r"(?:\d+|\{\w+\})?(&>>|&>|<<<|<<-|<<|<>|<&|>>|>\||>&|<(?!\()|>(?!\())")
_OPERATOR = re.compile(r"\n|;;&|;;|;&|;|&&|&|\|\||\|&|\||\(|\)")
_NO_FILE = re.compile(r"\d+-?|-")
_NOTHING_IN_BRACKETS = re.compile(r"\([ \t]*\)")
_CONDITION_END = re.compile(r"\]\](?=[\s;&|)]|$)")
_IN = re.compile(r"in\b")
_ESAC = re.compile(r"esac\b")


@dataclass(frozen=True, slots=True)
class Simple:
    """A simple command.  Without words it only assigns, or redirects what a group writes."""

    words: tuple[Word, ...]
    targets: tuple[Word, ...] = ()  # files that redirections write
    assigned: tuple[tuple[str, Word], ...] = ()  # a name that comes twice takes each of its values, as in a loop
    pipeline: int = 0  # commands with one number write into each other, in this order
    piped: bool = False  # it reads what another command writes
    fed: str | None = None  # it reads this text: a here-document or a here-string
    groups: tuple[int, ...] = ()  # the subshells that it is in: a change of directory ends with them


@dataclass(frozen=True, slots=True)
class Line:
    commands: tuple[Simple, ...]
    opaque: str = ""  # why a part of it cannot be read


def read(line: str, depth: int = 0) -> Line:
    """Split a line; ``depth`` says in how many others it stands."""
    if len(line) > CHARS_MAX:
        return Line((), f"it is longer than {CHARS_MAX:,} characters")
    reader = _Reader(line, depth)
    reader.commands("")
    return Line(tuple(map(_finished, reader.found)), reader.words.opaque)


@dataclass(slots=True)
class _Draft:
    """A command while it is read."""

    pipeline: int
    groups: tuple[int, ...]
    piped: bool = False
    words: list[Word] = field(default_factory=list)
    targets: list[Word] = field(default_factory=list)
    assigned: list[tuple[str, Word]] = field(default_factory=list)
    fed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Document:
    """A here-document whose text stands below the line that is read."""

    reads: _Draft
    delimiter: str
    tabs: bool  # leading ones are taken away
    literal: bool


def _finished(draft: _Draft) -> Simple:
    return Simple(
        words=tuple(draft.words),
        targets=tuple(draft.targets),
        assigned=tuple(draft.assigned),
        pipeline=draft.pipeline,
        piped=draft.piped,
        fed="".join(draft.fed) if draft.fed else None,
        groups=draft.groups,
    )


class _Reader:
    """The commands of a text, as far as it is read."""

    def __init__(self, text: str, depth: int) -> None:
        self.words = Words(text, depth, self)
        self.found: list[_Draft] = []
        self.pipelines = 0
        self.groups: tuple[int, ...] = ()
        self.documents: list[_Document] = []

    def commands(self, closer: str, *, piped: bool = False) -> None:
        """Read commands up to ``closer`` and past it: ``)``, ``;;`` in a branch of a case, or nothing for all."""
        words = self.words
        if not words.deeper():
            return
        before = self.groups
        self.pipelines += 1
        self.groups = (*before, self.pipelines) if closer == ")" else before
        draft = self._draft(piped=piped)
        while words.at < len(words.text):
            if words.skip():
                continue
            if redirection := _REDIRECTION.match(words.text, words.at):
                self._redirect(redirection, draft)
                continue
            if not (found := _OPERATOR.match(words.text, words.at)):
                if self._take(draft, closer):
                    break
                continue
            operator = found.group()
            if operator == "(":
                draft = self._bracket(draft)
                continue
            words.at = found.end()
            draft = self._after(draft, operator)
            if operator == closer or (closer == ";;" and operator in (";&", ";;&")):
                break
            if operator == ")":
                words.unreadable("it closes a bracket that is not open")
        else:
            self._read_documents()
            if closer:
                words.unreadable("it leaves a bracket or a case open")
        self._end(draft)
        self.groups = before
        words.depth -= 1

    def elsewhere(self, text: str, *, substitutions_only: bool = False) -> None:
        """Read another text as a part of this one."""
        inner = _Reader(text, self.words.depth)
        inner.pipelines = self.pipelines + 1
        inner.groups = (*self.groups, inner.pipelines)
        if substitutions_only:
            inner.words.quoted(closer="")
        else:
            inner.commands("")
        self.pipelines = inner.pipelines
        self.found += inner.found
        if inner.words.opaque:
            self.words.unreadable(inner.words.opaque)

    def _take(self, draft: _Draft, closer: str) -> bool:
        """Read a word into a command, or one that begins a compound command; say whether a branch ends before it."""
        words, start = self.words, self.words.at
        word = words.word()
        if draft.words or draft.assigned or draft.targets or words.text[start : words.at] != word.text:
            self._add(draft, word)  # only bare first words are special
        elif word.text == "esac" and closer == ";;":
            words.at = start
            return True
        elif word.text == "[[":
            self._condition()
        elif word.text == "case":
            self._case()
        elif word.text in ("for", "select"):
            self._loop()
        elif word.text == "function":
            words.skip()
            words.word()
            words.skip()
            self._nothing_in_brackets()
        elif word.text not in _SKIPPED:
            self._add(draft, word)
        return False

    def _add(self, draft: _Draft, word: Word) -> None:
        assignment = ASSIGNMENT.match(word.text)
        if assignment and not draft.words:
            draft.assigned.append((assignment[1], Word(word.text[assignment.end() :], word.loose)))
        else:
            draft.words.append(word)

    def _bracket(self, draft: _Draft) -> _Draft:
        """Read what an opening bracket between words begins; a function's name is no command."""
        words = self.words
        if draft.words:
            if len(draft.words) == 1 and self._nothing_in_brackets():
                return self._draft()
            words.unreadable("a bracket stands where none can")
        elif words.text.startswith("((", words.at):
            words.arithmetic()
        else:
            words.at += 1
            self.commands(")", piped=draft.piped)
        return draft

    def _nothing_in_brackets(self) -> bool:
        found = _NOTHING_IN_BRACKETS.match(self.words.text, self.words.at)
        self.words.at = found.end() if found else self.words.at
        return found is not None

    def _redirect(self, found: re.Match[str], draft: _Draft) -> None:
        words = self.words
        words.at = found.end()
        words.skip()
        operator, start = found[1], words.at
        if start >= len(words.text) or _OPERATOR.match(words.text, start):
            words.unreadable("a redirection leads nowhere")
            return
        word = words.word()
        if operator in ("<<", "<<-"):
            literal = any(mark in words.text[start : words.at] for mark in "'\"\\")
            self.documents.append(_Document(draft, word.text, operator == "<<-", literal))
        elif operator == "<<<":
            draft.fed.append(word.text + "\n")
        elif operator not in ("<", "<&") and not (operator == ">&" and _NO_FILE.fullmatch(word.text)):
            draft.targets.append(word)

    def _read_documents(self) -> None:
        """Read the here-documents that begin here; in a text without quotes substitutions are made."""
        words, documents = self.words, tuple(self.documents)
        self.documents.clear()
        for document in documents:
            lines: list[str] = []
            while words.at < len(words.text):
                end = words.text.find("\n", words.at) + 1 or len(words.text)
                line = words.text[words.at : end]
                words.at = end
                line = line.lstrip("\t") if document.tabs else line
                if line.removesuffix("\n") == document.delimiter:
                    break
                lines.append(line)
            text = "".join(lines)
            document.reads.fed.append(text)
            if not document.literal:
                self.elsewhere(text, substitutions_only=True)

    def _condition(self) -> None:
        """Pass over ``[[ ... ]]``; what is substituted in it is read."""
        words = self.words
        while words.at < len(words.text):
            if found := _CONDITION_END.match(words.text, words.at):
                words.at = found.end()
                return
            words.word_or_mark()
        words.unreadable("it leaves [[ open")

    def _case(self) -> None:
        words = self.words
        words.skip()
        words.word()
        words.space()
        words.word()  # in
        words.space()
        while words.at < len(words.text):
            if found := _ESAC.match(words.text, words.at):
                words.at = found.end()
                return
            while words.at < len(words.text) and words.text[words.at] != ")":
                words.word_or_mark()
            words.at += 1
            self.commands(";;")
            words.space()
        words.unreadable("it leaves a case open")

    def _loop(self) -> None:
        """Read the head of a loop: the variable, and the words that it takes one after the other."""
        words = self.words
        words.skip()
        if words.text.startswith("((", words.at):
            words.arithmetic()
            return
        draft = self._draft()
        name = words.word().text
        words.space()
        found = _IN.match(words.text, words.at)
        words.at = found.end() if found else words.at
        while found and words.at < len(words.text) and words.text[words.at] not in "\n;&|)":
            if not words.skip():
                start = words.at
                draft.assigned.append((name, words.word()))
                words.at += words.at == start
        self._end(draft)

    def _draft(self, *, piped: bool = False) -> _Draft:
        self.pipelines += 1
        return _Draft(self.pipelines, self.groups, piped)

    def _after(self, draft: _Draft, operator: str) -> _Draft:
        """End a command at an operator and begin the next."""
        waits = draft.piped and operator == "\n" and not (draft.words or draft.targets)
        following = draft
        if operator in ("|", "|&"):
            following = _Draft(draft.pipeline, self.groups, piped=True)
        elif not waits:  # a pipe goes on in the next line
            following = self._draft()
        if following is not draft:
            self._end(draft)
        if operator == "\n":
            self._read_documents()
        return following

    def _end(self, draft: _Draft) -> None:
        if draft.words or draft.targets or draft.assigned:
            self.found.append(draft)
        if len(self.found) > COMMANDS_MAX:
            self.words.unreadable(f"it has more than {COMMANDS_MAX} commands")
