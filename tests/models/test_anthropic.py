"""What answers of the Messages API mean, and the client against a server that fails, through both transports."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.fault_server import EVENTS, JSON, Reply, fault_server
from tests.models.spoken import KEY, QUICK, Slept
from tests.models.toolset import ALL, NAMES, answered, head, prompt, returned, said, unwatched
from workhand.core.canonical import Json, encode
from workhand.core.events import ModelAnswered, ToolCall, Usage
from workhand.core.mask import Mask
from workhand.core.ports import Delta, Retry
from workhand.errors import (
    ConfigError,
    ContextOverflow,
    MalformedAnswer,
    ModelRefused,
    ModelUnavailable,
    WorkhandError,
)
from workhand.models.hosted import HostedModel
from workhand.models.local import LocalModel
from workhand.models.transport import Vendor
from workhand.models.wire.anthropic import Anthropic
from workhand.models.wire.anthropic_answer import MessagesReading
from workhand.models.wire.dialect import Server
from workhand.models.wire.failures import failure

pytestmark = pytest.mark.anyio

BODY = (*head(), said("Say hello."))
SERVER = Server("anthropic", "http://127.0.0.1:1", "test-model", KEY)
DIALECT = Anthropic(SERVER)
USED = {
    "input_tokens": 20,
    "cache_read_input_tokens": 70,
    "cache_creation_input_tokens": 10,
    "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 6},
    "output_tokens": 1,
}
TEXT = {"type": "text", "text": "Hello 𝄞", "citations": None}
THOUGHT = {"type": "thinking", "thinking": "Hm, é.", "signature": "c2ln"}
HIDDEN = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
USE = {"type": "tool_use", "id": "toolu_1", "name": "file_read", "input": {"path": "a.txt"}}


def message(*content: object, stop: str = "end_turn", **fields: object) -> dict[str, Any]:
    """Give an answer as one message."""
    usage = USED | {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}
    named = {"id": "msg_1", "type": "message", "role": "assistant", "model": "test-model", "stop_sequence": None}
    return named | {"content": [*content], "stop_reason": stop, "stop_details": None, "usage": usage} | fields


def streamed(given: dict[str, Any], cuts: int = 3) -> list[dict[str, Any]]:
    """Give the events in which a message is streamed, its strings in pieces of a few characters."""
    start = given | {"content": [], "stop_reason": None, "usage": USED}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(given["content"]):
        events += _block(index, block, cuts)
    used = {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}, "input_tokens": None}
    delta = {"stop_reason": given["stop_reason"], "stop_details": given["stop_details"], "stop_sequence": None}
    return [*events, {"type": "message_delta", "delta": delta, "usage": used}, {"type": "message_stop"}]


def _block(index: int, block: dict[str, Any], cuts: int) -> list[dict[str, Any]]:
    empty = {"text": "", "thinking": "", "signature": "", "input": {}}
    start = {key: empty.get(key, value) for key, value in block.items()}
    deltas: list[dict[str, Any]] = []
    for key, kind, name in (("thinking", "thinking_delta", "thinking"), ("text", "text_delta", "text")):
        deltas += [{"type": kind, name: part} for part in _cut(block.get(key, ""), cuts)]
    if "signature" in block:
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    if "input" in block:
        parts = ["", *_cut(json.dumps(block["input"]), cuts)]
        deltas += [{"type": "input_json_delta", "partial_json": part} for part in parts]
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _cut(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def lines(*events: dict[str, Any]) -> bytes:
    """Give the bytes of a stream."""
    return "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in events).encode()


def fed(events: list[dict[str, Any]], mask: Mask = ALL) -> tuple[MessagesReading, list[Delta]]:
    reading = DIALECT.reading(prompt(*BODY), mask)
    shown = [reading.feed(line) for line in lines(*events).decode().splitlines()]
    return reading, [delta for delta in shown if delta is not None]


def whole(given: dict[str, Any], mask: Mask = ALL) -> ModelAnswered:
    reading = DIALECT.reading(prompt(*BODY), mask)
    reading.whole(json.dumps(given).encode())
    return reading.answer()


# -- reading --------------------------------------------------------------------


def test_an_answer_is_read_with_its_usage_and_what_is_to_be_echoed() -> None:
    answer = whole(message(THOUGHT, HIDDEN, TEXT, USE, stop="tool_use"))
    assert (answer.text, answer.calls) == ("Hello 𝄞", (ToolCall("", "file_read", '{"path":"a.txt"}'),))
    assert answer.usage == Usage(100, 70, 10, 9, 4, None, 6)
    assert (answer.model, answer.dropped_calls, answer.missed) == ("anthropic:test-model", 0, "")
    kept = json.loads(answer.opaque or "")["anthropic"]
    assert kept["id"] == "msg_1"
    assert kept["content"] == [THOUGHT, HIDDEN, TEXT, {key: value for key, value in USE.items() if key != "input"}]


def test_what_is_streamed_is_shown_piece_by_piece() -> None:
    _, shown = fed(streamed(message(THOUGHT, TEXT, USE, stop="tool_use"), cuts=6))
    assert shown == [
        Delta("text", "Hello "),
        Delta("text", "𝄞"),
        Delta("call", "file_read"),
        Delta("call", '{"path'),
        Delta("call", '": "a.'),
        Delta("call", 'txt"}'),
    ]


BLOCKS = st.one_of(
    st.text(max_size=20).map(lambda text: {"type": "text", "text": text}),
    st.builds(
        lambda text, sign: THOUGHT | {"thinking": text, "signature": sign}, st.text(max_size=9), st.text(max_size=9)
    ),
    st.just(HIDDEN),
    st.just({"type": "mcp_tool_listing", "tools": [1]}),
    st.dictionaries(st.text(max_size=5), st.one_of(st.text(), st.floats(allow_nan=False), st.none()), max_size=3).map(
        lambda arguments: USE | {"input": arguments}
    ),
)


@settings(deadline=None)
@given(st.lists(BLOCKS, max_size=6), st.integers(1, 5))
def test_a_stream_and_the_whole_message_give_the_same_answer(content: list[dict[str, Any]], cuts: int) -> None:
    given = message({"type": "text", "text": "So."}, *content)
    reading, _ = fed(streamed(given, cuts))
    assert reading.begun and reading.ended
    assert reading.answer() == whole(given)


@settings(deadline=None)
@given(st.data())
def test_events_that_come_twice_or_out_of_order_never_crash(data: st.DataObject) -> None:
    events = streamed(message(THOUGHT, TEXT, USE, stop="tool_use"))
    strange: list[Any] = [
        {"type": "content_block_start", "index": "0", "content_block": 7},
        {"type": "content_block_delta", "index": 99, "delta": {"type": "text_delta", "text": None}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "in a thought"}},
        {"type": "content_block_delta", "index": 8, "delta": {"type": "input_json_delta", "partial_json": "{"}},
        {"type": "message_delta", "delta": None, "usage": 3},
        {"type": "message_start", "message": []},
        {"type": "new"},
        {},
    ]
    reading = DIALECT.reading(prompt(*BODY), ALL)
    for event in data.draw(st.lists(st.sampled_from([*events, *strange]), max_size=40)):
        reading.feed(f"data: {json.dumps(event)}")
    with suppress(WorkhandError):
        reading.answer()


def test_an_event_that_comes_twice_changes_nothing_but_its_own_text() -> None:
    events = streamed(message(TEXT, USE, stop="tool_use"))
    starts = [each for each in events if each["type"] in ("message_start", "content_block_start")]
    reading, _ = fed([*events[:-2], *starts, *events[-2:]])
    assert reading.answer() == whole(message(TEXT, USE, stop="tool_use"))


def test_a_piece_of_another_kind_than_its_block_is_passed_over() -> None:
    events = streamed(message(THOUGHT, TEXT))
    stray = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "said in a thought"}}
    reading, _ = fed([*events[:4], stray, *events[4:]])
    assert reading.answer() == whole(message(THOUGHT, TEXT))


def test_halves_of_characters_and_numbers_that_are_none_are_kept_in_a_form_that_can_be_sent() -> None:
    parts = [{"type": "text_delta", "text": text} for text in ("a\ud834", "\udd1e b\ud834")]
    arguments = {"type": "input_json_delta", "partial_json": '{"x": NaN, "y": "\\ud834"}'}
    events = streamed(message())
    events[2:2] = [
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": "", "score": float("nan")},
        },
        *({"type": "content_block_delta", "index": 0, "delta": part} for part in parts),
        {"type": "content_block_start", "index": 1, "content_block": USE | {"input": {}}},
        {"type": "content_block_delta", "index": 1, "delta": arguments},
    ]
    answer = fed(events)[0].answer()
    assert answer.text == "a𝄞 b\ufffd"
    assert answer.calls[0].arguments == encode({"_malformed": '{"x": NaN, "y": "\\ud834"}'}).decode()
    assert json.loads(answer.opaque or "")["anthropic"]["content"][0] == {
        "type": "text",
        "text": answer.text,
        "score": None,
    }


STOPS: list[tuple[str, dict[str, object], type[Exception] | None, str]] = [
    ("end_turn", {}, None, ""),
    ("tool_use", {}, None, ""),
    ("stop_sequence", {}, None, ""),
    ("pause_turn", {}, None, ""),
    ("of_tomorrow", {}, None, ""),
    ("max_tokens", {}, MalformedAnswer, "cut off at 200"),
    ("model_context_window_exceeded", {}, ContextOverflow, "100 tokens"),
    ("refusal", {}, ModelRefused, "content filter"),
    ("refusal", {"stop_details": {"type": "refusal", "category": "cyber"}}, ModelRefused, "cyber"),
    ("refusal", {"stop_details": {"explanation": "Not that.", "category": None}}, ModelRefused, "Not that"),
]


@pytest.mark.parametrize(("stop", "fields", "kind", "said_so"), STOPS)
def test_each_reason_to_stop_means_something(
    stop: str, fields: dict[str, object], kind: type[Exception] | None, said_so: str
) -> None:
    given = message(TEXT, USE, stop=stop, **fields)
    reading, _ = fed(streamed(given))
    if kind is None:
        assert reading.answer().calls == whole(given).calls != ()
        return
    for ask in (reading.answer, lambda: whole(given)):
        with pytest.raises(kind, match=said_so):
            ask()


def test_words_that_end_at_the_limit_are_an_answer_where_words_are_wanted() -> None:
    assert whole(message(TEXT, stop="max_tokens"), Mask("auto", NAMES)).text == "Hello 𝄞"


def test_a_stream_that_ends_too_soon_is_no_answer() -> None:
    events = streamed(message(TEXT))
    with pytest.raises(ModelUnavailable, match="before any answer"):
        fed(events[:2])[0].answer()
    with pytest.raises(MalformedAnswer, match="broke off"):
        fed(events[:-2])[0].answer()
    assert fed(events[:-1])[0].answer().text == "Hello 𝄞"


MISSES: list[tuple[object, str]] = [
    (None, ""),
    ({"cache_miss_reason": None}, ""),
    (
        {"cache_miss_reason": {"type": "messages_changed", "cache_missed_input_tokens": 1234}},
        "messages_changed (1,234 tokens)",
    ),
    ({"cache_miss_reason": {"type": "unavailable"}}, "unavailable"),
]


@pytest.mark.parametrize(("diagnostics", "missed"), MISSES)
def test_the_reason_why_the_cache_missed_is_kept(diagnostics: object, missed: str) -> None:
    given = message(TEXT, diagnostics=diagnostics)
    assert (whole(given).missed, fed(streamed(given))[0].answer().missed) == (missed, missed)


def test_usage_is_estimated_where_none_is_sent() -> None:
    assert whole({"content": [TEXT], "stop_reason": "end_turn"}).usage.input_tokens == prompt(*BODY).size // 4


def error(kind: str, text: str = "broken") -> dict[str, Json]:
    return {"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_1"}


LONG = "prompt is too long: 215000 tokens > 200000 maximum"
FAILURES: list[tuple[int, dict[str, Json], type[Exception], str]] = [
    (400, error("invalid_request_error", LONG), ContextOverflow, "215000.*200000"),
    (413, error("request_too_large"), ContextOverflow, "too many"),
    (400, error("invalid_request_error", "messages.0: no"), ModelRefused, "messages.0"),
    (401, error("authentication_error", f"invalid x-api-key {KEY}"), ConfigError, "api_key"),
    (403, error("permission_error"), ConfigError, "api_key"),
    (404, error("not_found_error", "model: test-model"), ConfigError, "base_url"),
    (402, error("billing_error", "no credit"), ModelRefused, "no credit"),
    (429, error("rate_limit_error"), ModelUnavailable, "429"),
    (500, error("api_error"), ModelUnavailable, "500"),
    (504, error("timeout_error"), ModelUnavailable, "504"),
    (529, error("overloaded_error", "Overloaded"), ModelUnavailable, "Overloaded"),
]


@pytest.mark.parametrize(("status", "body", "kind", "said_so"), FAILURES)
def test_each_error_says_who_has_to_react(
    status: int, body: dict[str, Json], kind: type[Exception], said_so: str
) -> None:
    raised = failure(status, encode(body), SERVER)
    assert type(raised) is kind
    with pytest.raises(kind, match=said_so):
        raise raised
    assert KEY not in str(raised)


IN_STREAMS = [
    (error("overloaded_error", "Overloaded"), ModelUnavailable),
    (error("invalid_request_error", LONG), ContextOverflow),
    (error("authentication_error"), ConfigError),
]


@pytest.mark.parametrize(("event", "kind"), IN_STREAMS)
def test_an_error_in_a_stream_or_in_place_of_a_message_is_raised(event: dict[str, Json], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        fed([*streamed(message(TEXT))[:3], event])
    with pytest.raises(kind):
        whole(event)


# -- the client -----------------------------------------------------------------


@asynccontextmanager
async def opened(base_url: str, vendor: Vendor | None, slept: Slept | None = None) -> AsyncIterator[HostedModel]:
    dialect = Anthropic(Server("anthropic", base_url.removesuffix("/v1"), "test-model", KEY), diagnostics=True)
    async with HostedModel(
        dialect, vendor=vendor, patience=QUICK, chance=lambda: 0.5, sleep=slept or Slept(), now=lambda: 1_800_000_000.0
    ) as model:
        yield model


both = pytest.mark.parametrize("vendor", [None, Vendor("anthropic")], ids=["plain", "vendor"])
HELLO = Reply(lines(*streamed(message(TEXT))))


@both
async def test_an_answer_comes_through_the_client(vendor: Vendor | None) -> None:
    shown: list[object] = []
    async with fault_server(HELLO) as server, opened(server.base_url, vendor) as model:
        answer = await model.answer(prompt(*BODY), ALL, session="s", watch=shown.append)
    assert (answer.text, answer.usage.cached_tokens) == ("Hello 𝄞", 70)
    assert "".join(delta.text for delta in shown if isinstance(delta, Delta)) == "Hello 𝄞"
    assert answer.first_token_s is not None
    request, *headers = server.headers[0].lower().splitlines()
    assert request == "post /v1/messages http/1.1"
    assert [header for header in headers if KEY in header] != []
    assert [header for header in headers if header.startswith("anthropic-version:")] != []
    assert server.bodies == [replace(DIALECT, diagnostics=True).request(prompt(*BODY), ALL, session="s").body]


@both
async def test_an_overloaded_server_is_asked_again_when_it_wants_to_be(vendor: Vendor | None) -> None:
    shown: list[object] = []
    slept = Slept()
    busy = Reply(encode(error("overloaded_error", "Overloaded")), 529, JSON | {"retry-after": "7"})
    async with fault_server(busy, HELLO) as server, opened(server.base_url, vendor, slept) as model:
        answer = await model.answer(prompt(*BODY), ALL, session="s", watch=shown.append)
    assert (answer.text, slept.seconds) == ("Hello 𝄞", [7.0])
    assert [retry.delay_s for retry in shown if isinstance(retry, Retry)] == [7.0]
    assert server.bodies[0] == server.bodies[1]


EVENTS_HEAD = lines(*streamed(message(TEXT))[:4])
BROKEN: dict[str, tuple[Reply, type[Exception], str]] = {
    "a broken-off answer": (Reply(EVENTS_HEAD), MalformedAnswer, "broke off"),
    "a wrong key": (Reply(encode(error("authentication_error", f"key {KEY}")), 401, JSON), ConfigError, "api_key"),
    "an unknown model": (Reply(encode(error("not_found_error")), 404, JSON), ConfigError, "model"),
    "a prompt that is too long": (
        Reply(encode(error("invalid_request_error", LONG)), 400, JSON),
        ContextOverflow,
        "215000",
    ),
    "a page": (Reply(b"<html></html>", 200, {"content-type": "text/html"}), MalformedAnswer, "base_url"),
    "a refusal": (Reply(lines(*streamed(message(stop="refusal")))), ModelRefused, "declined"),
}


@both
@pytest.mark.parametrize("name", BROKEN)
async def test_what_will_not_succeed_is_raised_at_once_and_never_shows_the_key(
    name: str, vendor: Vendor | None
) -> None:
    reply, kind, said_so = BROKEN[name]
    async with fault_server(reply) as server, opened(server.base_url, vendor) as model:
        with pytest.raises(kind, match=said_so) as caught:
            await model.answer(prompt(*BODY), ALL, session="s", watch=unwatched)
        assert KEY not in str(caught.value) + repr(caught.value)
    assert len(server.bodies) == 1


@both
async def test_a_reset_in_the_stream_is_tried_again(vendor: Vendor | None) -> None:
    cut = Reply(EVENTS_HEAD, headers=EVENTS, end="reset")
    async with fault_server(cut, HELLO) as server, opened(server.base_url, vendor) as model:
        assert (await model.answer(prompt(*BODY), ALL, session="s", watch=unwatched)).text == "Hello 𝄞"
    assert len(server.bodies) == 2


PAGES: dict[str, tuple[dict[str, object], int | None]] = {
    "its card": ({"/v1/models/test-model": {"id": "test-model", "max_input_tokens": 1_000_000}}, 1_000_000),
    "props": ({"/props": {"default_generation_settings": {"n_ctx": 4096}}}, 4096),
    "a card that does not say": ({"/v1/models/test-model": {"max_input_tokens": None}}, None),
    "nothing": ({}, None),
}


@both
@pytest.mark.parametrize("name", PAGES)
async def test_the_window_is_asked_of_the_server(name: str, vendor: Vendor | None) -> None:
    pages, window = PAGES[name]
    gets = {path: Reply(json.dumps(page).encode(), headers=JSON) for path, page in pages.items()}
    async with fault_server(HELLO, gets=gets) as server, opened(server.base_url, vendor) as model:
        assert await model.window() == window


@both
async def test_a_real_server_streams_and_reads_its_cache(local: LocalModel, vendor: Vendor | None) -> None:
    body: tuple[bytes, ...] = (*head("You are brief.", ()), said("What is in a.txt?"))
    free = Mask("auto", NAMES)
    shown: list[object] = []
    dialect = Anthropic(Server("anthropic", local.address, "local", local.key))
    async with HostedModel(dialect, vendor=vendor) as model:
        first = await model.answer(prompt(*body, answer_tokens_max=12), free, session="s", watch=shown.append)
        assert "".join(delta.text for delta in shown if isinstance(delta, Delta)) == first.text
        call = [{"arguments": '{"path":"a.txt"}', "id": "c1", "tool": "file_read"}]
        body += (answered(first, ""), said("Look."), encode({"calls": call, "role": "assistant", "text": ""}))
        body += (returned("c1", "It is about cats."), said("Tell me what is in a.txt, in one sentence."))
        second = await model.answer(prompt(*body, answer_tokens_max=12), free, session="s", watch=unwatched)
        assert await model.window() == await local.window()
    assert first.usage.input_tokens > 0 and first.usage.output_tokens > 0
    assert second.usage.cached_tokens >= first.usage.input_tokens - 1
    assert second.usage.input_tokens > second.usage.cached_tokens


async def test_a_real_server_tells_that_a_prompt_is_too_long_and_a_key_wrong(local: LocalModel) -> None:
    long = prompt(*head("You are brief.", ()), said("word " * 1_400))
    async with HostedModel(Anthropic(Server("anthropic", local.address, "local", local.key))) as model:
        with pytest.raises(ContextOverflow) as caught:
            await model.answer(long, Mask("auto", ()), session="s", watch=unwatched)
    assert caught.value.window_tokens == await local.window()
    async with HostedModel(Anthropic(Server("anthropic", local.address, "local", KEY))) as model:
        with pytest.raises(ConfigError, match="api_key"):
            await model.answer(long, ALL, session="s", watch=unwatched)
