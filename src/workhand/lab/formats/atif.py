"""Harbor's Agent Trajectory Interchange Format (ATIF): an object with ``schema_version``, ``agent`` and ``steps``.

Made from the format's specification, "RFC 0001: Agent Trajectory Format", version
1.4 (October 2025), and from the fields that files of the versions up to 1.7 add:
parts of content, tool definitions, copied context, embedded subagents.

``reasoning_content`` is left out: it is not part of what the model is sent again.
A step that was copied as context, or that no model was called for, is no answer
of the model here, and stands as what it says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workhand.lab.formats.blocks import text_of
from workhand.lab.formats.faults import Fault, Read, Unfit
from workhand.lab.formats.parts import Parts
from workhand.lab.formats.records import inner, listed, mapping, moment, objects, parse, string, tool_names, written
from workhand.lab.formats.usage import usage
from workhand.lab.trace import Trace


def knows(values: Iterable[object]) -> bool:
    return any(
        isinstance(each, dict)
        and isinstance(each.get("steps"), list)
        and (str(each.get("schema_version", "")).startswith("ATIF") or isinstance(each.get("agent"), dict))
        for each in values
    )


def read(text: str, name: str) -> Read:
    """Read the trajectories of one file; ``name`` is the id of one that has none."""
    traces: list[Trace] = []
    faults: list[Fault] = []
    records = parse(text)
    for number, value in records.values:
        try:
            id = name if number == 1 else f"{name}-{number}"
            found, broken = _trajectory(mapping(value, "it"), id)
        except Unfit as unfit:
            faults.append(Fault(number, str(unfit)))
            continue
        traces += found
        faults += [Fault(number, why) for why in broken]
    return Read(tuple(traces), (*records.faults, *faults))


def _trajectory(fields: dict[str, Any], name: str) -> tuple[list[Trace], list[str]]:
    """Give a trajectory's trace, those of the subagents it holds, and what was wrong."""
    parts = Parts()
    broken: list[str] = []
    for place, step in enumerate(listed(fields.get("steps"), "its 'steps'"), 1):
        try:
            _take(parts, mapping(step, "it"), broken, place)
        except Unfit as unfit:
            broken.append(f"step {place}: {unfit}")
    agent = inner(fields, "agent")
    id = next((str(fields[key]) for key in ("trajectory_id", "session_id") if fields.get(key)), name)
    model = agent.get("model_name")
    traces = list(
        parts.trace(
            id,
            str(agent.get("name") or "atif"),
            model=model if isinstance(model, str) else "",
            tools=tool_names(agent.get("tool_definitions")),
        )
    )
    for place, child in enumerate(objects(fields.get("subagent_trajectories")), 1):
        found, why = _trajectory(child, f"{id}-{place}")
        traces += found
        broken += [f"subagent {place}: {each}" for each in why]
    return traces, broken


def _take(parts: Parts, step: dict[str, Any], broken: list[str], place: int) -> None:
    text, at = text_of(step.get("message")), moment(step.get("timestamp"))
    results = list(objects(inner(step, "observation").get("results")))
    source = string(step, "source")
    if source not in ("system", "user", "agent"):
        raise Unfit(f"there is no source {source!r}")
    if source != "agent" or step.get("is_copied_context") or step.get("llm_call_count") == 0:
        for said in (text, *(text_of(result.get("content")) for result in results)):
            if said:
                parts.said("system" if source == "system" else "user", said)
        return
    parts.answered(text, usage=usage(step.get("metrics")), at=at)
    calls = list(objects(step.get("tool_calls")))
    for call in calls:
        parts.called(call.get("tool_call_id"), string(call, "function_name"), written(call.get("arguments")))
    for result in results:
        content = text_of(result.get("content"))
        if not calls and not result.get("source_call_id"):
            parts.said("user", content)
            continue
        try:
            parts.returned(result.get("source_call_id"), content, at=at)
        except Unfit as unfit:
            broken.append(f"step {place}: {unfit}")
