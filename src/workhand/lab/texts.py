"""Texts as blocks: counted once, known by a key, and searched for the identifiers that later actions need.

An *identifier* is a word of an action's arguments that a model cannot guess: at
least six characters of letters, digits and ``_ . / @ -``, with something in it
that plain words lack.  An action *needs* it if an earlier result has brought it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, lru_cache

from workhand.lab.request import Block
from workhand.lab.trace import Answer, Part, Returned, Said, Trace

BLOCK_TOKENS = 4  # of wire form around a block's text
WORD = re.compile(r"[A-Za-z0-9_./@-]{6,}")
TELLING = re.compile(r"[0-9_/@]|[a-z][A-Z]|\w\.\w")
ESCAPES = re.compile(r'\\[ntr"]')

Count = Callable[[str], int]


@cache
def counter() -> tuple[Count, str]:
    """Give a counter of tokens and its name: o200k where ``quicktok`` is installed, else four bytes a token."""
    try:
        from quicktok import get_encoding
    except ImportError:
        return (lambda text: len(text.encode(errors="replace")) // 4), "four bytes a token"
    encoding = get_encoding("o200k_base")
    return (lambda text: int(encoding.count(text.encode(errors="replace").decode()))), "o200k_base"


@lru_cache(maxsize=8_192)
def identifiers(text: str) -> frozenset[str]:
    """Give the identifiers in a text; what is escaped in JSON is read as it is meant."""
    words = (word.strip(".-/@") for word in WORD.findall(ESCAPES.sub(" ", text)))
    return frozenset(word for word in words if len(word) >= 6 and TELLING.search(word))


def wanted(part: Part) -> frozenset[str]:
    """Give the identifiers in the arguments of an answer's calls."""
    if not isinstance(part, Answer):
        return frozenset()
    return frozenset(word for call in part.calls for word in identifiers(plain(call.arguments)))


def plain(arguments: str) -> str:
    """Give the texts in a call's arguments, as they are meant."""
    try:
        stated = json.loads(arguments)
    except ValueError:
        return arguments
    return "\n".join(_leaves(stated))


def _leaves(value: object) -> Iterable[str]:
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from _leaves(each)
        case dict():
            for each in value.values():
                yield from _leaves(each)
        case _:
            yield json.dumps(value)


def texts_of(part: Part) -> tuple[str, ...]:
    """Give a part's blocks as texts: an answer has one for its words and one for each call."""
    match part:
        case Said(_, text) | Returned(_, text):
            return (text,)
        case Answer(text, calls):
            written = (f"{call.tool}\n{'' if call.in_text else call.arguments}" for call in calls)
            return tuple(each for each in (text, *written) if each)


@dataclass(slots=True)
class Texts:
    """The texts of one trace under all policies: equal texts are one block."""

    needed: frozenset[str]  # all identifiers that any action of the trace needs
    blocks: dict[str, Block] = field(default_factory=dict)
    holders: dict[str, set[int]] = field(default_factory=dict)  # keys of the blocks that hold an identifier
    count: Count = field(default_factory=lambda: counter()[0])

    def block(self, text: str) -> Block:
        known = self.blocks.get(text)
        if known is None:
            known = self.blocks[text] = Block(len(self.blocks), self.count(text) + BLOCK_TOKENS)
            for word in self.words(text):
                self.holders.setdefault(word, set()).add(known.key)
        return known

    def words(self, text: str) -> frozenset[str]:
        """Give the needed identifiers in a text."""
        return identifiers(text) & self.needed

    def of(self, part: Part) -> tuple[Block, ...]:
        return tuple(map(self.block, texts_of(part)))

    def missing(self, words: Iterable[str], shown: frozenset[int]) -> list[str]:
        """Give those of ``words`` that no shown block holds."""
        return sorted(word for word in words if self.holders.get(word, set()).isdisjoint(shown))


def needs(trace: Trace) -> dict[int, frozenset[str]]:
    """Give for each part what it needs: identifiers of its arguments that a result has brought.

    What the user or the model said before any result did is no need: nothing had to be looked up for it.
    """
    said: set[str] = set()
    brought: set[str] = set()
    found: dict[int, frozenset[str]] = {}
    for index, part in enumerate(trace.parts):
        if isinstance(part, Said) and part.resets:
            said.clear()
            brought.clear()
        words = frozenset[str]().union(*map(identifiers, texts_of(part)))
        if isinstance(part, Returned):
            brought |= words - said
            continue
        if needed := wanted(part) & brought:
            found[index] = frozenset(needed)
        said |= words - brought
    return found
