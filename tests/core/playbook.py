"""Short ways to write down a session, so that a table of cases reads like one.

A playbook is what has happened, in order; ``log`` makes a log of it, one second
an event, with the session's start before it.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from workhand.core.events import (
    Event,
    ModelAnswered,
    Observation,
    Phase,
    Plan,
    PlanChanged,
    SessionStarted,
    ToolCall,
    ToolReturned,
    ToolStarted,
    Usage,
    UserSaid,
)
from workhand.core.log import Entry, Log
from workhand.core.mask import Mask
from workhand.core.policy import Effect, Limits, Policy, ToolSpec

Part: TypeAlias = Event | tuple[Event, ...]


def _tool(name: str, effect: Effect) -> ToolSpec:
    return ToolSpec(name, f"Does {name}.", '{"additionalProperties":false,"properties":{},"type":"object"}', effect)


TOOLS = (
    _tool("plan_update", "pure"),
    _tool("message_info", "idempotent"),
    _tool("message_ask", "idempotent"),
    _tool("message_result", "idempotent"),
    _tool("file_read", "pure"),
    _tool("file_write", "idempotent"),
    _tool("shell_run", "effect"),
)
POLICY = Policy(
    model="scripted:one", system_prompt="Work.", tools=TOOLS, limits=Limits(steps=None), variation_seed="seed"
)

ANYTHING = Mask("required", tuple(sorted(spec.name for spec in TOOLS)))
WORKING = Mask("specified", tuple(name for name in ANYTHING.tools if name != "plan_update"))
PLANNING = Mask("specified", ("plan_update",))
SPEAKING = Mask("specified", ("message_ask", "message_info", "message_result"))
DELIVERING = Mask("specified", ("message_result",))

PLAN_ARGUMENTS = '{"done":0,"goal":"a report","phases":["look","write"]}'
PLAN = Plan("a report", (Phase("look"), Phase("write")), 0)
USED = Usage(input_tokens=100, output_tokens=10, cost_usd=0.5)


def log(*parts: Part, policy: Policy = POLICY) -> Log:
    """Make a log of a playbook."""
    events = [SessionStarted(policy)]
    entries = [Entry(0, 0.0, events[0])]
    for part in parts:
        for event in part if isinstance(part, tuple) else (part,):
            entries.append(Entry(len(entries), float(len(entries)), event))
    return Log.of(entries)


def answered(
    call: ToolCall | None = None, *, text: str = "", usage: Usage = USED, prompt_bytes: int = 400
) -> ModelAnswered:
    return ModelAnswered(text, (call,) if call else (), usage, "scripted", prompt_bytes, "")


def call(id: str, tool: str, arguments: str = "{}") -> ToolCall:
    return ToolCall(id, tool, arguments)


def returned(
    id: str, full: str = "done", *, ok: bool = True, how: Literal["ran", "refused", "unknown"] = "ran"
) -> ToolReturned:
    return ToolReturned(id, Observation(full, full, ok), how)


def ran(id: str, tool: str, arguments: str = "{}", *, ok: bool = True) -> tuple[Event, ...]:
    """Answer with a call that ran."""
    return answered(call(id, tool, arguments)), ToolStarted(id), returned(id, ok=ok)


def filed(id: str, size: int = 2_000, *, ok: bool = True, path: str | None = "results/it.txt") -> tuple[Event, ...]:
    """Answer with a call whose long result is kept under ``path``."""
    observation = Observation(f"{id}:".ljust(size, "x"), f"all in {path}", ok, f"digest of {id}", path)
    return answered(call(id, "file_read", f'{{"path":"{id}"}}')), ToolStarted(id), ToolReturned(id, observation)


PLANNED: tuple[Event, ...] = (
    answered(call("p1", "plan_update", PLAN_ARGUMENTS)),
    PlanChanged(PLAN),
    returned("p1", "Plan recorded."),
)
BEGUN: tuple[Event, ...] = (UserSaid("Write a report."), *PLANNED)
