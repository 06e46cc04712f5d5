"""The body of the prompt: a fold over the entries, since between reductions it only grows.

Reductions are recorded, never recomputed: this module obeys ``ResultsCompacted``
and ``HistorySummarized`` and counts no tokens.  What a piece says depends on its
event, its position and the policy's seed alone, so equal logs give equal bytes;
each piece is made once per event and form, and remembered beside the event.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache

from workhand.core import canonical, compact, summary, variation
from workhand.core.canonical import Json
from workhand.core.events import (
    Event,
    HistorySummarized,
    LimitHit,
    ModelAnswered,
    NoticeGiven,
    ResultsCompacted,
    SandboxOpened,
    ToolReturned,
    UserSaid,
)
from workhand.core.log import Entry, Log
from workhand.core.policy import Policy
from workhand.core.prompt import weight

RESTARTED = "The machine was restarted: files are kept; shells, their variables and running programs are gone."
LAST_CALL = (
    "The limit on {limit} is reached ({used:,.10g} of {allowed:,.10g}); this is the last call. Call message_result: "
    "say what is done and what is not, and attach the files there are."
)

HEADER_END = 1  # the index of the system piece


@dataclass(frozen=True, slots=True)
class Reductions:
    """What a log says about how its entries are to be shown."""

    compacted: frozenset[str] = frozenset()  # calls whose results are compact
    arguments: frozenset[str] = frozenset()  # calls whose own long arguments are
    summarized: Entry | None = None  # the latest summary


def body_of(log: Log, policy: Policy) -> Body:
    """Give the body for the next answer, building only what is new since it was last asked for."""
    version = log.index(ResultsCompacted, HistorySummarized)
    return log.fold(("body", policy), lambda: Body(policy, reductions_of(log)), version)


def reductions_of(log: Log) -> Reductions:
    if ResultsCompacted not in log.last and HistorySummarized not in log.last:
        return Reductions()
    events = [event for event in log.events if isinstance(event, ResultsCompacted)]
    at = log.last.get(HistorySummarized)
    return Reductions(
        frozenset(id for event in events for id in event.call_ids),
        frozenset(id for event in events for id in event.arguments),
        None if at is None else log.entries[at],
    )


def form_of(event: Event, reductions: Reductions, policy: Policy) -> str:
    """Name the form in which an event is shown: under it the piece is kept beside the entry."""
    match event:
        case ModelAnswered(_, calls):
            short = [call.id for call in calls if call.id in reductions.arguments]  # they may go one by one
            return f"short answer:{' '.join(short)}" if short else "answer"
        case ToolReturned(call_id, seen):
            shown = "pictured" if seen.picture and policy.sees else "full"
            return f"{'compact' if call_id in reductions.compacted else shown}:{policy.variation_seed}"
    return "said"


class Body:
    """The pieces as far as they are built, and where in them things are."""

    def __init__(self, policy: Policy, reductions: Reductions) -> None:
        self.pieces: list[bytes] = []
        self.ends: list[int] = []  # bytes up to the end of each piece
        self.asked = [HEADER_END]  # where the bodies of earlier requests ended; the header always counts
        self.answers: dict[str, int] = {}  # piece of each call
        self.results: dict[str, int] = {}  # piece of each result, by call
        self._policy = policy
        self._reductions = reductions
        self._until = -1
        if reductions.summarized is not None and isinstance(reductions.summarized.event, HistorySummarized):
            self._until = reductions.summarized.event.until
        self._before = summary.Before()  # what the summary stands for
        self._tools: dict[str, str] = {}  # of the calls that are open
        self._held: list[bytes] = []
        self._machines = 0
        for piece in _header(policy):
            self._add(piece)

    @property
    def size(self) -> int:
        return self.ends[-1]

    def end_of(self, index: int) -> int:
        """Give the bytes up to the end of a piece; of none before the first."""
        return self.ends[index] if index >= 0 else 0

    def boundary_before(self, piece: int) -> int:
        """Give the last piece of the latest former request that ended before ``piece``."""
        return self.asked[bisect_left(self.asked, piece) - 1]

    def take(self, entry: Entry) -> None:
        """Add what an entry says, in wire order.

        Providers want a call's result right behind the call, so whatever else was
        recorded while a call was open is shown after its result.
        """
        event = entry.event
        if isinstance(event, SandboxOpened):
            self._machines += 1
        if entry.position < self._until:
            self._before.take(event)
            return
        if self._until >= 0:
            self._until = -1
            self._show_summary()
        if isinstance(event, ModelAnswered):
            self._show_answer(entry, event)
        elif isinstance(event, ToolReturned):
            self._show_result(entry, event)
        elif isinstance(event, SandboxOpened):
            if self._machines > 1 and not event.resumed:
                self._held.append(_said(RESTARTED))
        elif text := _text_of(event):
            self._held.append(entry.pieces.get("said") or _keep(entry, "said", _said(text)))
        if self._held and not self._tools:
            for piece in self._held:
                self._add(piece)
            self._held.clear()

    def _add(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self.ends.append((self.ends[-1] if self.ends else 0) + weight(piece))

    def _show_summary(self) -> None:
        entry = self._reductions.summarized
        assert entry is not None and isinstance(entry.event, HistorySummarized)
        piece = entry.pieces.get("summary")
        self._add(piece or _keep(entry, "summary", _said(summary.describe(entry.event, self._before))))

    def _show_answer(self, entry: Entry, event: ModelAnswered) -> None:
        self._tools.update((call.id, call.tool) for call in event.calls)
        self.asked.append(len(self.pieces) - 1)
        for call in event.calls:
            self.answers[call.id] = len(self.pieces)
        form = form_of(event, self._reductions, self._policy)
        self._add(entry.pieces.get(form) or _keep(entry, form, _answer(event, self._reductions.arguments)))

    def _show_result(self, entry: Entry, event: ToolReturned) -> None:
        tool = self._tools.pop(event.call_id, "")
        form = form_of(event, self._reductions, self._policy)
        self.results[event.call_id] = len(self.pieces)
        self._add(entry.pieces.get(form) or _keep(entry, form, _result(entry.position, event, tool, form)))


@lru_cache(maxsize=64)
def _header(policy: Policy) -> tuple[bytes, bytes]:
    tools = [
        {"name": spec.name, "description": spec.description, "parameters": json.loads(spec.parameters)}
        for spec in policy.tools
    ]
    return canonical.encode({"tools": tools}), canonical.encode({"role": "system", "text": policy.system_prompt})


def _text_of(event: object) -> str:
    match event:
        case UserSaid():
            return summary.message_text(event)
        case NoticeGiven(text):
            return f"[notice] {text}"
        case LimitHit(limit, used, allowed):
            return "[notice] " + LAST_CALL.format(limit=limit, used=used, allowed=allowed)
    return ""


def _keep(entry: Entry, form: str, piece: bytes) -> bytes:
    """Memoise a piece beside its event, which never changes."""
    entry.pieces[form] = piece
    return piece


def _said(text: str) -> bytes:
    return canonical.encode({"role": "user", "text": text})


def _answer(event: ModelAnswered, short: frozenset[str]) -> bytes:
    calls = [
        {
            "id": call.id,
            "tool": call.tool,
            "arguments": compact.arguments(call) if call.id in short else call.arguments,
        }
        for call in event.calls
    ]
    block = {"role": "assistant", "text": event.text, "calls": calls}
    if event.opaque is None or any(call.id in short for call in event.calls):  # opaque would say the long form
        return canonical.encode(block)
    return canonical.encode(block | {"opaque": event.opaque})


def _result(position: int, event: ToolReturned, tool: str, form: str) -> bytes:
    seen = event.observation
    shown, _, seed = form.partition(":")
    if shown == "compact":
        text = f"[compacted] {seen.compact}"
    else:
        templates = variation.SUCCEEDED if seen.ok else variation.FAILED
        text = f"{variation.choose(templates, seed, position).format(tool=tool)}\n{seen.full}"
    block: dict[str, Json] = {"role": "tool", "call": event.call_id, "ok": seen.ok, "text": text}
    if shown == "pictured":
        block["media"] = [{"blob": seen.blob, "type": seen.picture}]
    return canonical.encode(block)
