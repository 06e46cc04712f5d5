"""OpenHands: the events of its first generation, and of the SDK that followed.

Made from the public source of both: ``event_to_dict`` of openhands/events (0.9 to
0.62), whose events have ``action`` or ``observation``, and the event classes of
openhands-sdk (1.x, 2025 and 2026), whose events name their ``kind``.  Read are lists
and lines of events, and the records of evaluations that hold them as ``history``;
``sources`` joins the files of a folder in which each event is one.

What the model wrote is taken from the recorded response where there is one.  Actions
of the same response are one answer.  A condensation with a summary is a reset, though
it keeps the events around what it sums up.  Reasoning is left out: of the providers
that OpenHands speaks to, most are not sent it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from workhand.lab.formats.blocks import text_of
from workhand.lab.formats.faults import Fault, Read, Unfit
from workhand.lab.formats.openhands_sdk import KINDS, SdkEvents
from workhand.lab.formats.parts import Parts
from workhand.lab.formats.records import (
    inner,
    mapping,
    moment,
    objects,
    parse,
    stated,
    string,
    tool_names,
    word,
    written,
)
from workhand.lab.formats.usage import usage
from workhand.lab.trace import Trace

_SILENT_ACTIONS = frozenset({"recall", "change_agent_state", "null", "pause", "resume", "stop", "start", "initialize"})
_SILENT_OBSERVATIONS = frozenset({"agent_state_changed", "null", "recall", "success", "user_rejected", "system"})
_NOT_ARGUMENTS = frozenset(
    {
        *("thought", "blocking", "hidden", "is_static", "is_input", "confirmation_state", "keep_prompt", "timeout"),
        *("translated_ipython_code", "security_risk", "impl_source", "cwd", "include_extra", "return_axtree"),
    }
)


def knows(values: Iterable[object]) -> bool:
    return any(_is_ours(fields) for value in values for fields in _flat(value))


def read(text: str, name: str) -> Read:
    """Read the events of one file; ``name`` is the trace's id where a record states none."""
    records = parse(text)
    faults = list(records.faults)
    traces: list[Trace] = []
    loose = _Events()
    for number, value in records.values:
        history = value.get("history", value.get("trajectory")) if isinstance(value, dict) else None
        events = _Events() if isinstance(history, list) else loose
        for place, event in enumerate(_flat(history) if isinstance(history, list) else _flat(value), 1):
            try:
                events.take(event)
            except Unfit as unfit:
                faults.append(Fault(number, f"event {place}: {unfit}" if events is not loose else str(unfit)))
        if events is not loose:
            id = str(value.get("instance_id") or value.get("id") or f"{name}-{number}")
            outcome = stated(inner(value, "test_result").get("result"))
            traces += events.trace(id, outcome)
        elif not isinstance(value, dict | list):
            faults.append(Fault(number, "it is not an event"))
    return Read((*loose.trace(name, ""), *traces), tuple(sorted(faults, key=lambda fault: fault.line)))


def _flat(value: object) -> Iterator[dict[str, Any]]:
    """Give the events of a list, of which old records pair each action with its observation."""
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from objects(each if isinstance(each, list) else [each])


def _is_ours(fields: dict[str, Any]) -> bool:
    for history in (fields.get("history"), fields.get("trajectory")):
        if isinstance(history, list):
            return any(_is_ours(event) for event in _flat(history))
    if word(fields, "kind") in KINDS:
        return True
    action = isinstance(fields.get("action"), str) and ("args" in fields or "source" in fields)
    return action or (isinstance(fields.get("observation"), str) and ("content" in fields or "extras" in fields))


class _Events:
    """One session's events as parts."""

    def __init__(self) -> None:
        self._parts = Parts()
        self._sdk = SdkEvents(self._parts)
        self._model = ""
        self._tools: tuple[str, ...] = ()
        self._calls: dict[str, str] = {}  # recorded call id, by the id of its action

    def take(self, event: dict[str, Any]) -> None:
        if "kind" in event:
            self._sdk.take(event)
        elif isinstance(event.get("action"), str):
            self._act(event["action"], event)
        elif isinstance(event.get("observation"), str):
            self._observe(event["observation"], event)
        else:
            raise Unfit("it is neither an action nor an observation")

    def trace(self, id: str, outcome: str) -> tuple[Trace, ...]:
        model, tools = self._model or self._sdk.model, self._tools or self._sdk.tools
        return self._parts.trace(id, "openhands", model=model, tools=tools, outcome=outcome)

    def _act(self, action: str, event: dict[str, Any]) -> None:
        arguments = inner(event, "args")
        text = text_of(arguments.get("content") or event.get("message"))
        if action == "system":
            self._parts.said("system", text)
            self._tools = tool_names(arguments.get("tools"))
        elif action == "message" and event.get("source") != "agent":
            images = text_of({"image_urls": arguments["image_urls"]}) if arguments.get("image_urls") else ""
            self._parts.said("user", "\n".join(each for each in (text, images) if each))
        elif action == "condensation":
            if summary := text_of(arguments.get("summary")):
                self._parts.said("user", summary, resets=True)
        elif event.get("source") == "agent" and action not in _SILENT_ACTIONS:
            self._answer(action, event, text)

    def _answer(self, action: str, event: dict[str, Any], text: str) -> None:
        made = inner(event, "tool_call_metadata")
        response = inner(made, "model_response")
        message = inner(next(objects(response.get("choices")), {}), "message")
        arguments = inner(event, "args")
        self._model = self._model or str(response.get("model") or "")
        said = text_of(message.get("content")) if message else text_of(arguments.get("thought"))
        counts, at = usage(response.get("usage")), moment(event.get("timestamp"))
        id = response.get("id")
        if action == "message":
            self._parts.answered(said or text, usage=counts, at=at)
            return
        key = id if isinstance(id, str) else ""
        if not key or key not in self._parts:
            self._parts.answered(said, key=key, usage=counts, at=at)
        call_id = str(made.get("tool_call_id") or f"event {event.get('id')}")
        self._calls[str(event.get("id"))] = call_id
        asked = next((each for each in objects(message.get("tool_calls")) if each.get("id") == call_id), {})
        shown = {name: value for name, value in arguments.items() if name not in _NOT_ARGUMENTS}
        self._parts.called(
            call_id,
            str(made.get("function_name") or action),
            written(inner(asked, "function").get("arguments", shown)),
        )

    def _observe(self, observation: str, event: dict[str, Any]) -> None:
        cause = event.get("cause")
        call_id = inner(event, "tool_call_metadata").get("tool_call_id") or self._calls.get(str(cause))
        text, at = text_of(event.get("content") or event.get("message")), moment(event.get("timestamp"))
        extras = inner(event, "extras")
        exit_code = inner(extras, "metadata").get("exit_code", extras.get("exit_code"))
        ok = observation != "error" and event.get("success") is not False and exit_code in (None, 0, -1)
        if call_id:
            self._parts.returned(call_id, text, ok=ok, at=at)
        elif observation == "error":
            self._parts.said("user", text)
        elif observation not in _SILENT_OBSERVATIONS and cause is None:
            raise Unfit(f"this observation of type {string(mapping(event, 'it'), 'observation')!r} names no action")
