"""The words of a shell line: quotes, escapes, variables and substitutions.

A word is what stands between blanks and operators.  What the shell would replace in it is kept as it was
written, and marked; the commands in a substitution are read by whoever reads commands.  What cannot be
read moves to the end of the text and says why, so that every loop ends and nothing is read twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Protocol

DEPTH_MAX: Final = 16  # of substitutions, groups, and shells in shells

ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(?:\[[^\]]*\])?\+?=")
_BLANK = re.compile(r"(?:[ \t\r]|\\\n)+")
_PLAIN = re.compile(r"[^\s\\'\"`$;&|<>()*?\[{~]+")
_QUOTED_PLAIN = re.compile(r"[^\"\\$`]+")
_BRACKETED_PLAIN = re.compile(r"[^(){}'\"\\$`]+")
_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|[0-9?#@*!$-])")
_PATTERN_LIST = re.compile(r"\([^()\n]*\)")
_BACKTICKS = re.compile(r"`((?:[^`\\]|\\.)*)`", re.DOTALL)
_ANSI_QUOTED = re.compile(r"\$'((?:[^'\\]|\\.)*)'", re.DOTALL)
_ANSI_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|[0-7]{1,3}|.)", re.DOTALL)
_ANSI = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "v": "\v"}


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its quotes taken away.

    ``loose``: it holds a variable, a substitution, a glob, a brace or a tilde, which the shell would
    replace; it is kept as it was written.
    """

    text: str
    loose: bool = False


class Nested(Protocol):
    """Reads the commands in a word."""

    def commands(self, closer: str) -> None:
        """Read commands from where the words are, up to ``closer`` and past it."""
        ...

    def elsewhere(self, text: str) -> None:
        """Read commands that stand in another text."""
        ...


class Words:
    """A text, and where in it one is."""

    def __init__(self, text: str, depth: int, nested: Nested) -> None:
        self.text = text
        self.depth = depth
        self.nested = nested
        self.at = 0
        self.opaque = ""  # why something could not be read

    def word(self) -> Word:
        """Read a word, up to what ends one; it may be empty."""
        parts: list[str] = []
        loose = False
        start = self.at
        while self.at < len(self.text):
            char = self.text[self.at]
            if plain := _PLAIN.match(self.text, self.at):
                self.at = plain.end()
                parts.append(plain.group())
            elif char in "*?[{~":
                self.at += 1
                parts.append(char)
                loose = loose or char != "~" or self.at == start + 1 or self.text[self.at - 2] in "=:"
            elif found := self._fragment(char, "".join(parts[-1:])):
                parts.append(found.text)
                loose = loose or found.loose
            else:
                break
        return Word("".join(parts), loose)

    def _fragment(self, char: str, before: str) -> Word | None:
        """Read a piece of a word that begins with a special character; nothing if the word ends before it."""
        start = self.at
        if char == "'":
            return Word(self._until_quote(start + 1))
        if char == '"':
            self.at += 1
            return self.quoted()
        if char == "\\":
            self.at += 2
            return Word(self.text[start + 1 : self.at].replace("\n", ""))
        if char == "$":
            return self._dollar()
        if char == "`":
            return self._backticks()
        if char in "<>" and self.text.startswith("(", start + 1):
            self.at += 2
            self.nested.commands(")")
            return Word(self.text[start : self.at], loose=True)
        if char == "(" and ASSIGNMENT.fullmatch(before):
            return self._array()
        if (
            char == "("
            and before[-1:] in ("?", "*", "+", "@", "!")
            and (found := _PATTERN_LIST.match(self.text, start))
        ):
            self.at = found.end()
            return Word(found.group(), loose=True)
        return None

    def quoted(self, closer: str = '"') -> Word:
        """Read up to a closing quote and past it; without a closer, to the end of the text."""
        parts: list[str] = []
        loose = False
        while self.at < len(self.text):
            char = self.text[self.at]
            if plain := _QUOTED_PLAIN.match(self.text, self.at):
                self.at = plain.end()
                parts.append(plain.group())
            elif char == '"':
                self.at += 1
                if closer:
                    return Word("".join(parts), loose)
                parts.append(char)
            elif char == "\\":
                escaped = self.text[self.at + 1 : self.at + 2]
                self.at += 2
                parts.append("" if escaped == "\n" else escaped if escaped in ("$", "`", '"', "\\") else char + escaped)
            else:
                found = self._dollar(quoted=True) if char == "$" else self._backticks()
                parts.append(found.text)
                loose = loose or found.loose
        if closer:
            self.unreadable("it leaves a quote open")
        return Word("".join(parts), loose)

    def _dollar(self, *, quoted: bool = False) -> Word:
        """Read what a dollar begins."""
        start = self.at
        after = self.text[start + 1 : start + 2]
        if after == "(":
            self.at += 1
            if self.text.startswith("((", self.at):
                self.arithmetic()
            else:
                self.at += 1
                self.nested.commands(")")
        elif after == "{":
            self.at += 1
            self.bracketed("{", "}", quoted=quoted)
        elif after == "'" and not quoted:
            return self._ansi_quoted()
        elif after == '"' and not quoted:
            self.at += 2
            return self.quoted()
        elif found := _VARIABLE.match(self.text, start):
            self.at = found.end()
        else:
            self.at += 1
            return Word("$")
        return Word(self.text[start : self.at], loose=True)

    def _ansi_quoted(self) -> Word:
        found = _ANSI_QUOTED.match(self.text, self.at)
        if found is None:
            self.unreadable("it leaves a quote open")
            return Word("")
        self.at = found.end()
        return Word(_ANSI_ESCAPE.sub(_unescaped, found[1]))

    def _backticks(self) -> Word:
        start = self.at
        found = _BACKTICKS.match(self.text, start)
        if found is None:
            self.unreadable("it leaves a backtick open")
            return Word("", loose=True)
        self.at = found.end()
        self.nested.elsewhere(re.sub(r"\\([\\`$])", r"\1", found[1]))
        return Word(found.group(), loose=True)

    def _array(self) -> Word:
        start = self.at
        self.at += 1
        while self.at < len(self.text) and self.text[self.at] != ")":
            self.word_or_mark()
        self.at += 1
        return Word(self.text[start : self.at], loose=True)

    def bracketed(self, opener: str, closer: str, *, quoted: bool = False) -> None:
        """Pass over brackets and what is between them; what is substituted there is read."""
        if not self.deeper():
            return
        level = 0
        while self.at < len(self.text):
            char = self.text[self.at]
            if plain := _BRACKETED_PLAIN.match(self.text, self.at):
                self.at = plain.end()
            elif char in "'\"\\$`" and not (char == "'" and quoted):
                self._fragment(char, "")
            else:
                self.at += 1
                level += (char == opener) - (char == closer)
                if level == 0:
                    self.depth -= 1
                    return
        self.unreadable("it leaves a bracket open")

    def arithmetic(self) -> None:
        """Pass over ``((...))``, with or without a dollar before it."""
        self.bracketed("(", ")", quoted=True)
        if not self.text.endswith("))", 0, self.at):
            self.unreadable("it is arithmetic or a group, and one cannot tell which")

    def _until_quote(self, start: int) -> str:
        end = self.text.find("'", start)
        if end < 0:
            self.unreadable("it leaves a quote open")
            return ""
        self.at = end + 1
        return self.text[start:end]

    def space(self) -> None:
        """Pass over blanks, comments and ends of lines."""
        while self.skip() or self.text.startswith("\n", self.at):
            self.at += self.text.startswith("\n", self.at)

    def skip(self) -> bool:
        """Pass over blanks or a comment, and say whether there were any."""
        if found := _BLANK.match(self.text, self.at):
            self.at = found.end()
            return True
        if self.text.startswith("#", self.at):
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end
            return True
        return False

    def word_or_mark(self) -> None:
        """Pass over a word, or over one character that begins none."""
        start = self.at
        self.word()
        self.at += self.at == start

    def deeper(self) -> bool:
        self.depth += 1
        if self.depth > DEPTH_MAX:
            self.unreadable(f"it is nested more than {DEPTH_MAX} deep")
        return self.depth <= DEPTH_MAX

    def unreadable(self, why: str) -> None:
        self.opaque = self.opaque or why
        self.at = len(self.text)


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] in "xu" and len(code) > 1:
        return chr(int(code[1:], 16))
    if code[0] in "01234567":
        return chr(int(code, 8))
    return _ANSI.get(code, code)
