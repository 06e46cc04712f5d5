"""What each request of a session was made of: its blocks, and over which calls each of them was shown.

The pieces are those that ``render`` gave; what each of them is, is known from the
entry that it was made from and the form in which it was made, not guessed from its
words.  Between reductions a prompt only grows, so a block is stored once, with the
first and the last call that read it, and not again for every call.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from workhand.core import excerpt, recital
from workhand.core.body import RESTARTED, Body, body_of
from workhand.core.calls import telling
from workhand.core.events import (
    HistorySummarized,
    LimitHit,
    ModelAnswered,
    NoticeGiven,
    ToolCall,
    ToolReturned,
    UserSaid,
)
from workhand.core.log import Entry, Log

Kind: TypeAlias = Literal[
    "tools",
    "system",
    "summary",
    "user",
    "notice",
    "assistant",
    "compacted",
    "repeat",
    "preview",
    "result",
    "recital",
]
KINDS: tuple[Kind, ...] = (
    *("tools", "system", "summary", "user", "notice", "assistant"),
    *("compacted", "repeat", "preview", "result", "recital"),
)
"""All kinds, from what stays longest in a prompt to what goes first."""

MEANING: dict[Kind, str] = {
    "tools": "the definitions of the tools",
    "system": "the system prompt",
    "summary": "the summary that stands for older history",
    "user": "what the user said",
    "notice": "what the harness told the model",
    "assistant": "what the model said, and its calls",
    "compacted": "older results, shown as a line that leads back to the whole",
    "repeat": "results equal to one in view, shown as a pointer to it",
    "preview": "large results, shown as head, tail and a path to the whole",
    "result": "results in full",
    "recital": "the plan, recited at the end and not kept",
}
FORMS: dict[str, Kind] = {"whole": "result", "preview": "preview", "repeat": "repeat"}
TEXT_CHARS_MAX = 100


@dataclass(frozen=True, slots=True)
class Block:
    """Something that was shown in one form, from one call to another."""

    kind: Kind
    bytes: int
    first: int  # the number of the first call whose request held it, from 1
    last: int  # and of the last
    position: int = -1  # of the entry that it was made from; -1: of no entry
    call: str = ""  # the id of the call that it is, or the result of
    text: str = ""  # its beginning, or what was called; as others wrote it, so never to be trusted
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Share:
    """What one kind of block takes of a request."""

    kind: Kind
    bytes: int
    tokens: int  # estimated: the call's own count, spread by bytes


@dataclass(frozen=True, slots=True)
class Shown:
    """All blocks of a session, and the bytes of each call's request by kind."""

    blocks: tuple[Block, ...]
    sizes: tuple[dict[Kind, int], ...]


def shown(log: Log) -> Shown:
    """Say what every request in view was made of."""
    walk = _Walk(log)
    sizes = []
    seen = Log()
    for entry in log.entries:
        if isinstance(entry.event, ModelAnswered):
            sizes.append(walk.request(seen))
        seen = seen.followed_by(entry)
    blocks = (block if block.last else replace(block, last=len(sizes)) for block in walk.blocks)
    order = sorted(blocks, key=lambda block: (block.first, block.position, KINDS.index(block.kind)))
    return Shown(tuple(order), tuple(sizes))


def shares(sizes: dict[Kind, int], tokens: int) -> tuple[Share, ...]:
    """Spread a request's tokens over its kinds by bytes, so that they add up."""
    total = sum(sizes.values())
    found, so_far, before = [], 0, 0
    for kind in KINDS:
        if sizes.get(kind):
            so_far += sizes[kind]
            upto = round(tokens * so_far / total)
            found.append(Share(kind, sizes[kind], upto - before))
            before = upto
    return tuple(found)


def line(text: str) -> str:
    """Cut a text to one line that can be written as UTF-8."""
    return excerpt.line(text, TEXT_CHARS_MAX).encode(errors="replace").decode()


def doing(answer: ModelAnswered) -> str:
    """Say in a line what an answer did."""
    return line(f"{answer.calls[0].tool} {telling(answer.calls[0])}" if answer.calls else answer.text)


@dataclass(slots=True)
class _Walk:
    """The requests one after the other: only what is new in each is looked at."""

    log: Log
    blocks: list[Block] = field(default_factory=list)
    number: int = 0
    _body: Body | None = None
    _entries: int = 0  # that have been looked at since the body was begun
    _made: dict[int, tuple[Entry, str]] = field(default_factory=dict)  # by the identity of a piece: its entry and form
    _pieces: list[bytes] = field(default_factory=list)  # in the latest request
    _open: dict[int, int] = field(default_factory=dict)  # by the identity of a piece: the index of its block
    _sizes: Counter[Kind] = field(default_factory=Counter)
    _tools: dict[str, ToolCall] = field(default_factory=dict)
    _tail: str = ""

    def request(self, seen: Log) -> dict[Kind, int]:
        """Take what the next call reads; give its bytes by kind."""
        self.number += 1
        body = body_of(seen, self.log.policy)
        if body is not self._body:
            self._body, self._entries = body, 0
            kept = set(map(id, body.pieces))
            for piece in self._pieces:
                if id(piece) not in kept:
                    self._close(self._open.pop(id(piece)))
            known = 0
        else:
            known = len(self._pieces)
        for entry in seen.entries[self._entries :]:
            self._made.update((id(piece), (entry, form)) for form, piece in entry.pieces.items())
        self._entries = len(seen.entries)
        for piece in body.pieces[known:]:
            if id(piece) not in self._open:
                self._open[id(piece)] = self._begin(self._block(piece))
        self._pieces = list(body.pieces)
        self._recite(recital.recite(seen, self.log.policy))
        return {kind: self._sizes[kind] for kind in KINDS if self._sizes[kind]}

    def _begin(self, block: Block) -> int:
        self._sizes[block.kind] += block.bytes
        self.blocks.append(block)
        return len(self.blocks) - 1

    def _close(self, index: int) -> None:
        block = self.blocks[index]
        self._sizes[block.kind] -= block.bytes
        self.blocks[index] = replace(block, last=self.number - 1)

    def _block(self, piece: bytes) -> Block:
        size, number = len(piece), self.number
        if id(piece) not in self._made:  # the header's two, or the notice of a restart
            if piece.startswith(b'{"tools":'):
                return Block("tools", size, number, 0, text=f"{len(self.log.policy.tools)} tools")
            if piece.startswith(b'{"role":"system"'):
                return Block("system", size, number, 0, text=line(self.log.policy.system_prompt))
            return Block("notice", size, number, 0, text=line(RESTARTED))
        entry, form = self._made[id(piece)]
        place = (size, number, 0, entry.position)
        match entry.event:
            case ModelAnswered(_, calls) as answer:
                self._tools.update((call.id, call) for call in calls)
                return Block("assistant", *place, calls[0].id if calls else "", doing(answer))
            case ToolReturned(id_, observation):
                kind = "compacted" if form.startswith("compact:") else FORMS[observation.form]
                call = self._tools.get(id_)
                text = line(f"{call.tool} {telling(call)}") if call else ""
                return Block(kind, *place, id_, text, observation.ok)
            case HistorySummarized(summary=summary):
                return Block("summary", *place, text=line(summary.state))
            case UserSaid(text):
                return Block("user", *place, text=line(text))
            case NoticeGiven(text):
                return Block("notice", *place, text=line(text))
            case LimitHit(limit):
                return Block("notice", *place, text=f"the limit on {limit} is reached")
        raise AssertionError(f"{entry.event.kind} is in no prompt")

    def _recite(self, tail: str) -> None:
        if tail == self._tail:
            return
        if self._tail:
            self._close(max(index for index, block in enumerate(self.blocks) if block.kind == "recital"))
        self._tail = tail
        if tail:
            self._begin(Block("recital", len(tail.encode(errors="replace")), self.number, 0, text=line(tail)))
