"""The bytes of Responses requests, and what answers mean: golden, typed, paired, and the same under every mask."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from pydantic import TypeAdapter

from tests.models.toolset import ALL, NAMES, TOOLS, head, only, prompt, returned, said
from workhand.context import responses
from workhand.core.canonical import Json, encode
from workhand.core.events import ModelAnswered, ToolCall, Usage
from workhand.core.mask import Mask
from workhand.core.ports import Delta
from workhand.core.prompt import Prompt
from workhand.errors import ConfigError, ContextOverflow, MalformedAnswer, ModelRefused, ModelUnavailable
from workhand.models.wire.dialect import Server
from workhand.models.wire.openai_responses import OpenAIResponses

GOLDEN = Path(__file__).parent / "golden" / "openai_responses.json"
SERVER = Server("openai", "http://127.0.0.1:1/v1", "test-model", "sk-test")
DIALECT = OpenAIResponses(SERVER, breakpoints=True)
PLAIN = OpenAIResponses(SERVER, cache_key=False, allowed_tools=False, encrypted=False, tail_role="user")
FREE = Mask("auto", NAMES)
ARGUMENTS = '{"path":"a.txt"}'
IMAGE: Json = {"base64": "aGk=", "type": "image/png"}
PDF: Json = {"base64": "JVBERg==", "type": "application/pdf"}
REASONING: dict[str, Json] = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
MARK = {"prompt_cache_breakpoint": {"mode": "explicit"}}


def message(text: str, id: str = "msg_1", **fields: Json) -> dict[str, Json]:
    content: Json = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    return {"type": "message", "id": id, "role": "assistant", "status": "completed", "content": content, **fields}


def function_call(name: str = "file_read", arguments: str = ARGUMENTS, number: int = 1) -> dict[str, Json]:
    named: dict[str, Json] = {"id": f"fc_{number}", "call_id": f"call_{number}", "name": name, "arguments": arguments}
    return named | {"type": "function_call", "status": "completed"}


def answered(text: str, *calls: str, opaque: object = None) -> bytes:
    made = [{"arguments": ARGUMENTS, "id": id, "tool": "file_read"} for id in calls]
    block: dict[str, object] = {"calls": made, "role": "assistant", "text": text}
    return encode(block if opaque is None else block | {"opaque": encode({"openai": opaque}).decode()})


def with_media(piece: bytes, *media: Json) -> bytes:
    return encode(json.loads(piece) | {"media": list(media)})


BODY = (
    *head(tools=TOOLS[:3]),
    said("Read a.txt — all of it."),
    answered("Looking.", "c1", opaque=[REASONING, message("Looking.", phase="commentary"), function_call()]),
    with_media(returned("c1", "line 1\nline 2"), IMAGE, PDF),
    answered("", "c2"),
    returned("c2", "gone"),
    answered("Done."),
    said("Thanks."),
)
PROMPT = replace(prompt(*BODY, tail="Goal: read a.txt."), breakpoints=(1, 4, 7, 8))


def sent(prompt: Prompt, mask: Mask = ALL, dialect: OpenAIResponses = DIALECT, schema: str | None = None) -> Any:
    return json.loads(dialect.request(prompt, mask, session="s1", schema=schema).body)


def test_a_request_is_the_golden_one() -> None:
    mask = only("file_read", "file_write")
    assert DIALECT.request(PROMPT, mask, session="s1").body == GOLDEN.read_bytes().rstrip(b"\n")


def test_a_server_that_knows_little_is_sent_little() -> None:
    asked = sent(prompt(*head(tools=[]), said("Hi."), tail="Goal."), Mask("auto", ()), PLAIN)
    assert asked == {
        "input": [{"content": "Hi.", "role": "user"}, {"content": "[plan]\nGoal.", "role": "user"}],
        "instructions": "You are a careful agent.",
        "max_output_tokens": 200,
        "model": "test-model",
        "stream": True,
    }


def test_the_schema_of_an_answer_is_a_format_over_the_same_input() -> None:
    schema = '{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}'
    plain, asked = sent(PROMPT, FREE), sent(PROMPT, FREE, schema=schema)
    named = {"type": "json_schema", "name": "answer", "schema": json.loads(schema), "strict": True}
    assert asked == plain | {"text": {"format": named}}
    assert sent(PROMPT, schema='{"type":"object"}')["text"]["format"]["strict"] is False


CHOICES: list[tuple[Mask, bool, Any]] = [
    (ALL, True, "required"),
    (Mask("auto", NAMES), True, "auto"),
    (Mask("auto", ()), True, "none"),
    (only("file_read"), True, {"type": "function", "name": "file_read"}),
    (only("file_read", "file_find"), False, "required"),
    (Mask("auto", ("file_read",)), False, "auto"),
    (
        Mask("auto", ("file_read",)),
        True,
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "file_read"}]},
    ),
    (
        only("file_read", "file_find"),
        True,
        {
            "type": "allowed_tools",
            "mode": "required",
            "tools": [{"type": "function", "name": "file_read"}, {"type": "function", "name": "file_find"}],
        },
    ),
]


@pytest.mark.parametrize(("mask", "allowed_tools", "choice"), CHOICES)
def test_a_mask_is_a_tool_choice(mask: Mask, allowed_tools: bool, choice: Any) -> None:
    dialect = replace(DIALECT, allowed_tools=allowed_tools)
    assert sent(prompt(*head(), said("Hi.")), mask, dialect)["tool_choice"] == choice


def test_a_mask_that_allows_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="allows none"):
        sent(PROMPT, Mask("specified", ()))


def test_what_the_server_sent_is_shown_again_and_its_call_id_goes_with_the_result() -> None:
    items = [REASONING, message("Looking.", phase="commentary"), function_call()]
    assert sent(PROMPT)["input"][2:5] == items
    assert [item["call_id"] for item in sent(PROMPT)["input"] if "output" in item] == ["call_1", "c2"]


UNFIT: dict[str, object] = {
    "more calls": [function_call(), function_call(number=2)],
    "no call": [message("Looking.")],
    "a call without an id": [{"type": "function_call", "name": "file_read", "arguments": "{}"}],
    "no items": {"output": []},
}


@pytest.mark.parametrize("name", UNFIT)
def test_items_that_are_not_those_of_the_answer_are_not_shown(name: str) -> None:
    body = (*head(), said("Look."), answered("Looking.", "c1", opaque=UNFIT[name]), returned("c1", "seen"))
    _, told, call, result = sent(prompt(*body), dialect=PLAIN)["input"]
    assert told == {"content": "Looking.", "role": "assistant"}
    assert call == {"arguments": ARGUMENTS, "call_id": "c1", "name": "file_read", "type": "function_call"}
    assert result == {"call_id": "c1", "output": "seen", "type": "function_call_output"}


def test_the_context_engine_sends_the_same() -> None:
    asked = sent(PROMPT, dialect=replace(DIALECT, breakpoints=False))
    assert responses.request(PROMPT) == {key: asked[key] for key in ("instructions", "input", "tools")}


PLACES: dict[str, tuple[tuple[int, ...], list[int]]] = {
    "none": ((), []),
    "the head is a message that carries one": ((1,), [1]),
    "after an answer it is before it": ((3,), [2]),
    "two that fall together": ((2, 3), [2]),
    "those of the prompt": ((1, 4, 6, 8), [1, 4, 6, 8]),
    "the latest four": ((2, 4, 6, 8, 9), [4, 6, 8, 9]),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_cache_ends_at_the_nearest_item_that_can_say_so(name: str) -> None:
    breakpoints, places = PLACES[name]
    body = (*BODY, said("One more."))
    items = sent(replace(prompt(*body), breakpoints=breakpoints))["input"]
    pieces = [1, 2, 3, 3, 3, 4, 5, 6, 7, 8, 9]  # that each item came from
    assert [piece for piece, item in zip(pieces, items, strict=True) if marks(item)] == places


def marks(item: Any) -> int:
    return encode(item).count(b'"prompt_cache_breakpoint":')


# -- rules, for every session ------------------------------------------------------------------------------------------

texts = st.one_of(
    st.sampled_from(["", "Go on.", "[notice] Ten left.", "é\u2028\U0001f600", '"prompt_cache_breakpoint":']), st.text()
)
media = st.lists(st.sampled_from([IMAGE, PDF]), max_size=2)
masks = st.builds(
    lambda mode, names: Mask(mode, tuple(sorted(names))),
    st.sampled_from(["auto", "required", "specified"]),
    st.sets(st.sampled_from(NAMES), min_size=1),
)


@dataclass(frozen=True)
class Step:
    """The user or a notice, or an answer with its results."""

    text: str = ""
    calls: int | None = None  # None: the user speaks
    made_by: str = "openai"
    result: str = ""
    media: tuple[Json, ...] = ()

    def pieces(self, number: int) -> list[bytes]:
        if self.calls is None:
            return [with_media(said(self.text), *self.media) if self.media else said(self.text)]
        ids = [f"c{number}_{i}" for i in range(self.calls)]
        answer = answered(self.text, *ids, opaque=self._opaque(number))
        if self.made_by == "another":
            answer = encode(json.loads(answer) | {"opaque": '{"anthropic":[{"type":"thinking"}]}'})
        results = [returned(id, self.result) for id in ids]
        return [answer, *(with_media(each, *self.media) if self.media else each for each in results)]

    def _opaque(self, number: int) -> list[Json] | None:
        if self.made_by != "openai":
            return None
        spoken: list[Json] = [message(self.text)] if self.text or not self.calls else []
        return [REASONING, *spoken, *(function_call(number=10 * number + i) for i in range(self.calls or 0))]


steps = st.lists(
    st.one_of(
        st.builds(Step, text=texts, media=media.map(tuple)),
        st.builds(
            Step,
            text=texts,
            calls=st.sampled_from([0, 1, 1, 1, 2]),
            made_by=st.sampled_from(["openai", "openai", "another", "nobody"]),
            result=texts,
            media=media.map(tuple),
        ),
    ),
    max_size=20,
)
dialects = st.sampled_from([DIALECT, PLAIN, replace(PLAIN, breakpoints=True), replace(DIALECT, breakpoints=False)])
LONG = [Step("Go."), Step(calls=1, result="x" * 1_000_000), Step(calls=1, made_by="nobody", result="é" * 500_000)]


def body_of(steps: list[Step]) -> tuple[bytes, ...]:
    return (*head(), *(piece for number, step in enumerate(steps) for piece in step.pieces(number)))


slow = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@slow
@given(steps, masks, dialects, st.lists(st.integers(0, 60), max_size=6), st.sampled_from(["", "Goal: go on."]))
@example(LONG, ALL, DIALECT, [1, 3, 5], "")
@example([Step(), Step(calls=2)], ALL, DIALECT, [], "")
@example([Step(text) for text in "abcdefgh"], ALL, DIALECT, [2, 3, 4, 5, 6, 7], "")
def test_a_request_follows_the_published_types_and_the_rules_that_they_leave_out(
    steps: list[Step], mask: Mask, dialect: OpenAIResponses, breakpoints: list[int], tail: str
) -> None:
    body = body_of(steps)
    asked = replace(prompt(*body, tail=tail), breakpoints=tuple(sorted({at % len(body) for at in breakpoints})))
    request = dialect.request(asked, mask, session="s1").body
    content = json.loads(request)
    items = content["input"]
    assert encode(content) == request
    assert listed(types().validate_python(content)) == content
    assert all(marks(item) <= 1 for item in items) and marks(items) <= (4 if dialect.breakpoints else 0)
    assert all(item.get("content", ["-"]) and item.get("output", ["-"]) for item in items)
    calls = [(item["call_id"], at) for at, item in enumerate(items) if item.get("type") == "function_call"]
    outputs = [(item["call_id"], at) for at, item in enumerate(items) if item.get("type") == "function_call_output"]
    assert sorted(id for id, _ in calls) == sorted(id for id, _ in outputs)
    assert len({id for id, _ in calls}) == len(calls)
    assert all(at < dict(outputs)[id] for id, at in calls)


@slow
@given(steps, masks, masks, dialects)
def test_no_mask_changes_a_byte_of_what_the_model_reads(
    steps: list[Step], one: Mask, other: Mask, dialect: OpenAIResponses
) -> None:
    first, second = (sent(prompt(*body_of(steps)), mask, dialect) for mask in (one, other))
    assert encode(first | {"tool_choice": ""}) == encode(second | {"tool_choice": ""})


@slow
@given(steps, st.integers(2, 60), dialects)
def test_a_longer_body_begins_with_the_input_of_a_shorter_one(
    steps: list[Step], length: int, dialect: OpenAIResponses
) -> None:
    body = body_of(steps)
    short, long = (unmarked(sent(prompt(*pieces), dialect=dialect)["input"]) for pieces in (body[:length], body))
    assert long[: len(short)] == short


@cache
def types() -> TypeAdapter[Any]:
    return TypeAdapter(ResponseCreateParamsStreaming)


def listed(value: object) -> object:
    """Give a value whose lists were to be read once, and are checked while they are read."""
    match value:
        case Mapping():
            return {key: listed(each) for key, each in value.items()}
        case Iterable() if not isinstance(value, str):
            return [listed(each) for each in value]
    return value


def unmarked(value: Any) -> Any:
    match value:
        case dict():
            return {key: unmarked(each) for key, each in value.items() if key not in MARK}
        case list():
            return [unmarked(each) for each in value]
    return value


# -- the way back ------------------------------------------------------------------------------------------------------

COUNTS: dict[str, Json] = {
    "input_tokens": 120,
    "input_tokens_details": {
        "cached_tokens": 100,
        "cache_write_tokens": 15,
        "cache_write_tokens_details": {"ttl_12h_tokens": 5, "ttl_30m_tokens": 10},
    },
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 4},
    "total_tokens": 129,
}
USAGE = Usage(120, 100, 15, 9, 4, written_long_tokens=5)


def response(*output: dict[str, Json], status: str = "completed", **fields: Json) -> dict[str, Any]:
    return {"id": "resp_1", "status": status, "error": None, "output": list(output), "usage": COUNTS, **fields}


def streamed(whole: dict[str, Any], *, final: bool = True) -> list[str]:
    """Give the lines of a stream with a response in it."""
    shown: list[dict[str, Json]] = [{"type": "response.created", "response": whole | {"output": [], "usage": None}}]
    for at, item in enumerate(whole["output"]):
        shown += [{"type": "response.output_item.added", "output_index": at, "item": item}, *deltas(item)]
        shown.append({"type": "response.output_item.done", "output_index": at, "item": item})
    if final:
        shown.append({"type": f"response.{whole['status']}", "response": whole})
    return [f"data: {json.dumps(event)}" for event in shown]


def deltas(item: Json) -> list[dict[str, Json]]:
    match item:
        case {"type": "message", "content": [{"text": str(text)}]}:
            return [{"type": "response.output_text.delta", "delta": each} for each in (text[:3], text[3:])]
        case {"type": "function_call", "arguments": arguments}:
            return [{"type": "response.function_call_arguments.delta", "delta": arguments}]
    return []


def read(lines: list[str], mask: Mask = ALL) -> ModelAnswered:
    reading = DIALECT.reading(PROMPT, mask)
    for line in lines:
        assert not reading.ended
        reading.feed(line)
    return reading.answer()


def whole(body: Json, mask: Mask = ALL) -> ModelAnswered:
    reading = DIALECT.reading(PROMPT, mask)
    reading.whole(json.dumps(body).encode())
    return reading.answer()


def kept(answer: ModelAnswered) -> Any:
    return json.loads(answer.opaque or "{}").get("openai")


def test_an_answer_is_read_with_its_call_its_items_and_what_it_used() -> None:
    answer = whole(response(REASONING, message("Looking.", phase="commentary"), function_call()))
    assert (answer.text, answer.calls) == ("Looking.", (ToolCall("", "file_read", ARGUMENTS),))
    assert (answer.usage, answer.model, answer.dropped_calls) == (USAGE, "openai:test-model", 0)
    assert kept(answer) == [REASONING, message("Looking.", phase="commentary"), function_call()]


items = st.one_of(
    st.just(REASONING),
    st.text(max_size=9).map(message),
    st.builds(function_call, st.sampled_from(NAMES), st.sampled_from([ARGUMENTS, "{", ""]), st.integers(1, 9)),
)


@given(st.lists(items, max_size=6), st.sampled_from(["completed", "incomplete"]), st.sampled_from([ALL, FREE]))
def test_a_stream_and_a_whole_body_give_the_same_answer(output: list[Any], status: str, mask: Mask) -> None:
    given = response(*output, status=status)
    try:
        expected = whole(given, mask)
    except MalformedAnswer as error:
        with pytest.raises(MalformedAnswer, match=str(error)[:40]):
            read(streamed(given), mask)
        return
    assert read(streamed(given), mask) == expected
    bare = response(*output, status=status) | {"output": []}
    assert read([*streamed(given, final=False), *streamed(bare)[1:]], mask) == expected


@given(st.lists(items, max_size=6))
def test_what_is_kept_is_sent_again_with_one_call_and_no_reasoning_that_leads_nowhere(output: list[Any]) -> None:
    given = response(*output, function_call(number=10), REASONING, function_call(number=11), REASONING)
    answer = whole(given)
    again = kept(answer)
    first = next(item for item in given["output"] if item["type"] == "function_call")
    assert [item for item in again if item["type"] == "function_call"] == [first]
    assert again[-1]["type"] != "reasoning"
    assert answer.dropped_calls == sum(item["type"] == "function_call" for item in output) + 1
    body = (*head(), said("Go."), answered(answer.text, "c1", opaque=again), returned("c1", "seen"))
    assert sent(prompt(*body), dialect=PLAIN)["input"][1:-1] == again


def test_reasoning_to_a_call_that_is_dropped_goes_with_it() -> None:
    other = REASONING | {"id": "rs_2"}
    answer = whole(response(REASONING, function_call(), other, function_call(number=2), message("Two.")))
    assert kept(answer) == [REASONING, function_call(), message("Two.")]
    answer = whole(response(REASONING, message(""), function_call(), other, message("Two.")))
    assert kept(answer) == [REASONING, function_call(), other, message("Two.")]


def test_what_may_be_read_and_not_be_sent_is_left_out() -> None:
    nothing: dict[str, Json] = {"status": None, "content": None}
    spoken = message("Half \ud83d.", phase=None)
    answer = whole(response(REASONING | nothing, spoken, function_call() | {"namespace": None}))
    assert kept(answer) == [REASONING, message("Half \ufffd."), function_call()]
    assert answer.text == "Half \ufffd."


def test_without_a_last_event_the_items_are_taken_as_they_were_finished() -> None:
    given = response(REASONING, function_call())
    answer = read([*streamed(given, final=False), "data: [DONE]"])
    assert (answer.calls, kept(answer)) == ((ToolCall("", "file_read", ARGUMENTS),), [REASONING, function_call()])
    assert answer.usage == Usage(PROMPT.size // 4, output_tokens=len(ARGUMENTS) // 4)


def test_reasoning_that_was_only_announced_is_no_beginning() -> None:
    reading = DIALECT.reading(PROMPT, ALL)
    begun = []
    for line in streamed(response(REASONING, message("Hello"), function_call())):
        begun.append(reading.begun)
        reading.feed(line)
    assert begun[:4] == [False, False, False, True] and reading.ended


def test_words_and_the_call_are_shown_as_they_come() -> None:
    reading = DIALECT.reading(PROMPT, ALL)
    shown = [reading.feed(line) for line in streamed(response(REASONING, message("Hello"), function_call()))]
    assert [delta for delta in shown if delta] == [
        Delta("text", "Hel"),
        Delta("text", "lo"),
        Delta("call", "file_read"),
        Delta("call", ARGUMENTS),
    ]


def refused(text: str) -> dict[str, Json]:
    return message("") | {"content": [{"type": "refusal", "refusal": text}]}


def failed(code: Json, text: str = "broken") -> dict[str, Json]:
    return response(status="failed", error={"code": code, "message": text})


def cut(reason: str, *output: dict[str, Json]) -> dict[str, Json]:
    return response(*output, status="incomplete", incomplete_details={"reason": reason})


FAILURES: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "a refusal": (response(refused("I will not")), ModelRefused, "I will not"),
    "a filter": (cut("content_filter", message("He")), ModelRefused, "content filter"),
    "a call cut off": (cut("max_output_tokens", function_call()), MalformedAnswer, "cut off"),
    "words cut off, where a call is wanted": (cut("max_output_tokens", message("He")), MalformedAnswer, "cut off"),
    "nothing": (response(REASONING), MalformedAnswer, "neither"),
    "an accident": (failed("server_error"), ModelUnavailable, "broken"),
    "an accident without a word": (response(status="failed"), ModelUnavailable, "failed"),
    "too many requests": (failed("rate_limit_exceeded"), ModelUnavailable, "broken"),
    "a code that nobody knows": (failed("tired"), ModelUnavailable, "broken"),
    "no money": (failed("insufficient_quota"), ModelRefused, "broken"),
    "a bad prompt": (failed("invalid_prompt"), ModelRefused, "broken"),
    "a bad image": (failed("invalid_image_format"), ModelRefused, "broken"),
    "too long": (failed("context_length_exceeded"), ContextOverflow, "window"),
    "too long in words": (
        failed("invalid_prompt", "Your input exceeds the context window."),
        ContextOverflow,
        "window",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_each_status_has_its_reaction(name: str) -> None:
    given, kind, said_so = FAILURES[name]
    with pytest.raises(kind, match=said_so):
        whole(given)
    with pytest.raises(kind, match=said_so):
        read(streamed(given))


def test_words_that_were_cut_off_are_an_answer_where_words_may_be_one() -> None:
    answer = whole(cut("max_output_tokens", message("Hel", status="incomplete")), FREE)
    assert (answer.text, kept(answer)) == ("Hel", [message("Hel", status="incomplete")])


ERRORS: dict[str, tuple[dict[str, Json], type[Exception]]] = {
    "as an event": ({"type": "error", "code": "server_error", "message": "broken"}, ModelUnavailable),
    "as an event, refused": ({"type": "error", "code": "invalid_prompt", "message": "broken"}, ModelRefused),
    "in an event": ({"type": "error", "error": {"code": "insufficient_quota", "message": "broken"}}, ModelRefused),
    "with a status": ({"error": {"code": 400, "message": "broken", "type": "invalid_request_error"}}, ModelRefused),
    "as words": ({"error": "broken"}, ModelUnavailable),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_in_a_stream_has_its_reaction(name: str) -> None:
    event, kind = ERRORS[name]
    with pytest.raises(kind, match="broken"):
        read([*streamed(response(message("He")), final=False), f"data: {json.dumps(event)}"])


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        ([], ModelUnavailable),
        (streamed(response(REASONING), final=False)[:2], ModelUnavailable),
        (streamed(response(message("Hello")), final=False)[:3], MalformedAnswer),
        (streamed(response(message("Hello")), final=False), MalformedAnswer),
        (streamed(response(status="queued")), ModelUnavailable),
    ],
)
def test_a_stream_that_breaks_off_is_no_answer(lines: list[str], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        read(lines)
