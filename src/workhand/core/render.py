"""Turn a log into exactly what the model reads.

Three rules hold.  Reductions are recorded, never recomputed: this module obeys
``ResultsCompacted`` and counts no tokens.  The tail is outside the body.  What
a piece says depends on its event, its position and the policy's seed alone.
So between reductions the body only grows, and equal logs give equal bytes.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from functools import lru_cache

from workhand.core import canonical, recital, variation
from workhand.core.events import (
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
from workhand.core.prompt import Prompt

RESTARTED = "The machine was restarted: files are kept; shells, their variables and running programs are gone."
LAST_CALL = (
    "The limit on {limit} is reached ({used:,.10g} of {allowed:,.10g}); this is the last call. Call message_result: "
    "say what is done and what is not, and attach the files there are."
)

HEADER_END = 1  # the index of the system piece


def render(log: Log, policy: Policy) -> Prompt:
    """Give the prompt for the next answer."""
    view = _view(log, policy)
    reduced = _reduced_since_asked(log)
    cut = min((view.places[id] for id in reduced if id in view.places), default=len(view.body))
    unchanged = view.asked[bisect_left(view.asked, cut) - 1]
    breakpoints = sorted({HEADER_END, unchanged, len(view.body) - 1})
    return Prompt(tuple(view.body), recital.recite(log, policy), tuple(breakpoints), policy.answer_tokens_max)


def compacted_calls(log: Log) -> frozenset[str]:
    """Give the calls whose results are shown in compact form."""
    if ResultsCompacted not in log.last:
        return frozenset()
    return frozenset(id for event in log.events if isinstance(event, ResultsCompacted) for id in event.call_ids)


def _reduced_since_asked(log: Log) -> frozenset[str]:
    """Give the calls whose results a reduction has changed since the latest request."""
    if log.index(ResultsCompacted) < log.index(ModelAnswered):
        return frozenset()
    fresh = log.since(ModelAnswered)
    return frozenset(id for event in fresh if isinstance(event, ResultsCompacted) for id in event.call_ids)


def _view(log: Log, policy: Policy) -> _View:
    """Bring the view that the log carries up to date, or begin anew where the log has gone another way."""
    view = log.views.get(policy)
    if not isinstance(view, _View) or not view.is_of(log) or log.index(ResultsCompacted) >= view.count:
        view = log.views[policy] = _View(policy, compacted_calls(log))
    for entry in log.entries[view.count :]:
        view.show(entry)
    return view


class _View:
    """The body as far as it is built: a fold over the entries, since it only grows."""

    def __init__(self, policy: Policy, compacted: frozenset[str]) -> None:
        self.body: list[bytes] = list(_header(policy))
        self.asked = [HEADER_END]  # where the bodies of earlier requests ended; the header always counts
        self.places: dict[str, int] = {}  # of the results, by call
        self.count = 0  # entries shown
        self.latest: Entry | None = None
        self._seed = policy.variation_seed
        self._compacted = compacted
        self._tools: dict[str, str] = {}  # of the calls that are open
        self._held: list[bytes] = []
        self._machines = 0

    def is_of(self, log: Log) -> bool:
        """Say whether what is shown is how the log begins."""
        return self.count <= len(log.entries) and (not self.count or log.entries[self.count - 1] is self.latest)

    def show(self, entry: Entry) -> None:
        """Add what an entry says, in wire order.

        Providers want a call's result right behind the call, so whatever else was
        recorded while a call was open is shown after its result.
        """
        event = entry.event
        if isinstance(event, ModelAnswered):
            self._tools.update((call.id, call.tool) for call in event.calls)
            self.asked.append(len(self.body) - 1)
            self.body.append(entry.pieces.get("answer") or _keep(entry, "answer", _answer(event)))
        elif isinstance(event, ToolReturned):
            self._show_result(entry, event)
        elif isinstance(event, SandboxOpened):
            self._machines += 1
            if self._machines > 1:
                self._held.append(_said(RESTARTED))
        elif text := _text_of(event):
            self._held.append(entry.pieces.get("said") or _keep(entry, "said", _said(text)))
        if self._held and not self._tools:
            self.body += self._held
            self._held.clear()
        self.count += 1
        self.latest = entry

    def _show_result(self, entry: Entry, event: ToolReturned) -> None:
        tool = self._tools.pop(event.call_id, "")
        form = f"{'compact' if event.call_id in self._compacted else 'full'}:{self._seed}"
        self.places[event.call_id] = len(self.body)
        self.body.append(entry.pieces.get(form) or _keep(entry, form, _result(entry.position, event, tool, form)))


@lru_cache(maxsize=64)
def _header(policy: Policy) -> tuple[bytes, bytes]:
    tools = [
        {"name": spec.name, "description": spec.description, "parameters": json.loads(spec.parameters)}
        for spec in policy.tools
    ]
    return canonical.encode({"tools": tools}), canonical.encode({"role": "system", "text": policy.system_prompt})


def _text_of(event: object) -> str:
    match event:
        case UserSaid(text, attachments):
            files = "".join(f"\n[attached: {each.path}, {each.bytes:,} bytes]" for each in attachments)
            return text + files
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


def _answer(event: ModelAnswered) -> bytes:
    calls = [{"id": call.id, "tool": call.tool, "arguments": call.arguments} for call in event.calls]
    block = {"role": "assistant", "text": event.text, "calls": calls}
    return canonical.encode(block if event.opaque is None else block | {"opaque": event.opaque})


def _result(position: int, event: ToolReturned, tool: str, form: str) -> bytes:
    seen = event.observation
    shown, _, seed = form.partition(":")
    if shown == "compact":
        text = f"[compacted] {seen.compact}"
    else:
        templates = variation.SUCCEEDED if seen.ok else variation.FAILED
        text = f"{variation.choose(templates, seed, position).format(tool=tool)}\n{seen.full}"
    return canonical.encode({"role": "tool", "call": event.call_id, "ok": seen.ok, "text": text})
