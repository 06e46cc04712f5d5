"""What the context of a modelled system shows: a session's parts as pieces, each in the form in which it stands now.

The models of other systems differ in when they reduce, what goes and what takes
its place; what they share is here.  A text is one block for ever, so a piece that
is shown in another form has another key, and every cache sees the change.  What
the recorded agent was told as its system prompt belongs to the head: no system
takes that away.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from workhand.lab.policies.contexts import ASK_TOKENS, SUMMARY_TOKENS, Removed, stand_in
from workhand.lab.request import Block, Request
from workhand.lab.texts import Texts
from workhand.lab.trace import Answer, Part, Returned, Said

CHARS_PER_TOKEN = 4  # as the modelled systems estimate

Role: TypeAlias = Literal["user", "answer", "result", "summary"]
Marks: TypeAlias = Literal["tail", "user", "none"]
"""Where a system marks its requests for Anthropic: always the end of the system prompt, and the newest block
(``tail``) or the newest that the model did not write (``user``); or nothing at all."""


@dataclass(frozen=True, slots=True)
class Piece:
    role: Role
    blocks: tuple[Block, ...]
    tokens: int
    part: Part | None = None  # what it shows; none for a summary
    full: bool = True  # as it was said or returned

    @property
    def calls(self) -> tuple[str, ...]:
        return tuple(call.id for call in self.part.calls) if isinstance(self.part, Answer) else ()

    @property
    def call(self) -> str:
        return self.part.call if isinstance(self.part, Returned) else ""


class Shown:
    """The pieces of one context, and what has been taken out of it.

    Where a shorter form takes the place of a text, what is taken out is the difference; what a summary stands
    for or what is dropped counts whole.  An earlier summary is no part of the session: it never counts.
    """

    def __init__(self, texts: Texts, prefix: Block) -> None:
        self.texts = texts
        self.head = [prefix]
        self.pieces: list[Piece] = []
        self.tokens = 0  # without the fixed prefix
        self.removed = Removed()
        self._summaries = 0

    def add(self, part: Part) -> Piece:
        """Show a part as it is, behind everything else."""
        blocks = self.texts.of(part)
        tokens = sum(block.tokens for block in blocks)
        piece = Piece(_role(part), blocks, tokens, part)
        self.tokens += tokens
        if isinstance(part, Said) and part.role == "system" and not self.pieces:
            self.head += blocks
        else:
            self.pieces.append(piece)
        return piece

    def form(self, piece: Piece, *texts: str) -> Piece:
        """Give a piece as it would be with other texts in its place."""
        blocks = tuple(map(self.texts.block, texts))
        return Piece(piece.role, blocks, sum(block.tokens for block in blocks), piece.part, full=False)

    def put(self, index: int, piece: Piece, *, restorable: bool) -> None:
        """Show another form of a piece from now on."""
        saved = self.pieces[index].tokens - piece.tokens
        self.pieces[index] = piece
        self.tokens -= saved
        self.took_out(saved, restorable=restorable)

    def show(self, pieces: Sequence[Piece]) -> None:
        """Show other forms of all pieces from now on, of which what they leave out has been counted."""
        self.tokens += sum(piece.tokens for piece in pieces) - sum(piece.tokens for piece in self.pieces)
        self.pieces = [*pieces]

    def fold(self, start: int, end: int, by: Sequence[Piece] = (), *, restorable: bool = False) -> list[Piece]:
        """Take out the pieces from ``start`` to ``end``, let others stand in their place, and give those gone."""
        gone = self.pieces[start:end]
        self.pieces[start:end] = by
        self.tokens += sum(piece.tokens for piece in by) - sum(piece.tokens for piece in gone)
        stay = sum(piece.tokens for piece in by if piece.role != "summary")
        taken = sum(piece.tokens for piece in gone if piece.role != "summary") - stay
        self.took_out(taken, restorable=restorable)
        return gone

    def summary(self, note: str = "", *, tokens: int = SUMMARY_TOKENS) -> Piece:
        """Give a summary that no other equals, and that holds no identifier but those of ``note``."""
        self._summaries += 1
        block = self.texts.block(f"[summary {self._summaries}] {note}\n{stand_in(tokens)}")
        return Piece("summary", (block,), block.tokens)

    def took_out(self, tokens: int, *, restorable: bool) -> None:
        self.removed.tokens += tokens
        self.removed.restorable += tokens if restorable else 0

    def request(self, *, cold: bool, marks: Marks, pieces: Sequence[Piece] | None = None) -> Request:
        """Give the request that shows the pieces, or others in their place."""
        listed = self.pieces if pieces is None else pieces
        blocks = [*self.head]
        for piece in listed:
            blocks += piece.blocks
        return Request(tuple(blocks), self._marked(marks, listed, len(blocks)), cold=cold)

    def _marked(self, marks: Marks, pieces: Sequence[Piece], blocks: int) -> tuple[int, ...]:
        if marks == "none":
            return ()
        newest = blocks - 1
        if marks == "user":
            for piece in reversed(pieces):
                if piece.role != "answer":
                    break
                newest -= len(piece.blocks)
        return tuple(sorted({len(self.head) - 1, newest}))


def boundaries(pieces: Sequence[Piece]) -> list[int]:
    """Give the places, as indices of the piece behind, where a cut separates no call from its result."""
    results = {piece.call: index for index, piece in enumerate(pieces) if piece.role == "result"}
    found = []
    reach = -1
    for index, piece in enumerate(pieces):
        if index > reach:
            found.append(index)
        for call in piece.calls:
            reach = max(reach, results.get(call, -1))
    return [*found, len(pieces)]


def boundary_before(pieces: Sequence[Piece], index: int) -> int:
    """Give the last boundary that is not behind ``index``."""
    found = boundaries(pieces)
    return found[bisect_right(found, index) - 1] if index >= 0 else 0


def boundary_from(pieces: Sequence[Piece], index: int) -> int:
    """Give the first boundary that is not before ``index``."""
    found = boundaries(pieces)
    return found[min(len(found) - 1, bisect_left(found, index))]


def apart(pieces: Iterable[Piece], *, cold: bool) -> Request:
    """Give the request for a summary in a prompt of its own, without marks."""
    blocks = tuple(block for piece in pieces for block in piece.blocks)
    return Request(blocks, (), ASK_TOKENS, SUMMARY_TOKENS, cold)


def newest_within(pieces: Sequence[Piece], tokens: int) -> int:
    """Give the index from which on all pieces together have at most so many tokens."""
    start = len(pieces)
    while start and (tokens := tokens - pieces[start - 1].tokens) >= 0:
        start -= 1
    return start


def _role(part: Part) -> Role:
    match part:
        case Answer():
            return "answer"
        case Returned():
            return "result"
        case Said():
            return "user"
