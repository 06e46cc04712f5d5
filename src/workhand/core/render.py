"""Turn a log into exactly what the model reads.

Three rules hold.  Reductions are recorded, never recomputed: this module obeys
``ResultsCompacted`` and counts no tokens.  The tail is outside the body.  What
a piece says depends on its event, its position and the policy's seed alone.
So between reductions the body only grows, and equal logs give equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
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


def render(log: Log, policy: Policy) -> Prompt:
    """Give the prompt for the next answer."""
    body = list(_header(policy))
    asked = [len(body) - 1]  # where the bodies of earlier requests ended; the header always counts
    reduced = _reduced_since_asked(log)
    cut: int | None = None  # the first piece that a reduction has changed since then
    for entry, piece in _history(log, policy):
        event = entry.event
        if isinstance(event, ModelAnswered):
            asked.append(len(body) - 1)
        elif cut is None and isinstance(event, ToolReturned) and event.call_id in reduced:
            cut = len(body)
        body.append(piece)
    unchanged = max(end for end in asked if cut is None or end < cut)
    breakpoints = sorted({asked[0], unchanged, len(body) - 1})
    return Prompt(tuple(body), recital.recite(log, policy), tuple(breakpoints), policy.answer_tokens_max)


def compacted_calls(log: Log) -> frozenset[str]:
    """Give the calls whose results are shown in compact form."""
    if ResultsCompacted not in log.last:
        return frozenset()
    return frozenset(id for event in log.events if isinstance(event, ResultsCompacted) for id in event.call_ids)


def _reduced_since_asked(log: Log) -> frozenset[str]:
    fresh = log.since(ModelAnswered)
    return frozenset(id for event in fresh if isinstance(event, ResultsCompacted) for id in event.call_ids)


@lru_cache(maxsize=64)
def _header(policy: Policy) -> tuple[bytes, bytes]:
    tools = [
        {"name": spec.name, "description": spec.description, "parameters": json.loads(spec.parameters)}
        for spec in policy.tools
    ]
    return canonical.encode({"tools": tools}), canonical.encode({"role": "system", "text": policy.system_prompt})


def _history(log: Log, policy: Policy) -> Iterator[tuple[Entry, bytes]]:
    """Give the pieces of the history in wire order.

    Providers want a call's result right behind the call, so whatever else was
    recorded while a call was open is shown after its result.
    """
    compacted = compacted_calls(log)
    held: list[tuple[Entry, bytes]] = []
    tools: dict[str, str] = {}  # of the calls that are open
    machines = 0
    for entry in log.entries:
        event = entry.event
        if isinstance(event, ModelAnswered):
            tools.update((call.id, call.tool) for call in event.calls)
            yield entry, entry.pieces.get("answer") or _keep(entry, "answer", _answer(event))
        elif isinstance(event, ToolReturned):
            tool = tools.pop(event.call_id, "")
            form = f"{'compact' if event.call_id in compacted else 'full'}:{policy.variation_seed}"
            yield entry, entry.pieces.get(form) or _keep(entry, form, _result(entry.position, event, tool, form))
        elif isinstance(event, SandboxOpened):
            machines += 1
            if machines > 1:
                held.append((entry, _said(RESTARTED)))
        elif text := _text_of(event):
            held.append((entry, entry.pieces.get("said") or _keep(entry, "said", _said(text))))
        if held and not tools:
            yield from held
            held.clear()


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
