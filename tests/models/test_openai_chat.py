"""The Chat Completions client against a server that fails in every known way, and against a real one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from tests.models.fault_server import EVENTS, HELLO, JSON, USAGE, Reply, call, delta, error, events, fault_server
from tests.models.spoken import KEY, Slept
from tests.models.toolset import ALL, NAMES, answered, head, only, prompt, returned, said, tool, unwatched
from workhand.core.canonical import Json
from workhand.core.events import ToolCall, Usage
from workhand.core.mask import Mask, family
from workhand.core.ports import Delta, Retry
from workhand.errors import ConfigError, ContextOverflow, MalformedAnswer, ModelRefused, ModelUnavailable
from workhand.models.hosted import HostedModel, Patience
from workhand.models.local import LocalModel
from workhand.models.wire.dialect import Server
from workhand.models.wire.openai_chat import OpenAIChat

pytestmark = pytest.mark.anyio

BODY = (*head(), said("Say hello."))
QUICK = Patience(connect_s=5, first_token_s=5, between_chunks_s=5, attempts_max=3, backoff_s=1, backoff_max_s=30)


@asynccontextmanager
async def opened(
    base_url: str, patience: Patience = QUICK, slept: Slept | None = None, **options: object
) -> AsyncIterator[HostedModel]:
    wire = OpenAIChat(Server("openai-chat", base_url, "test-model", KEY), **options)  # type: ignore[arg-type]
    model = HostedModel(
        wire, patience=patience, chance=lambda: 0.5, sleep=slept or Slept(), now=lambda: 1_800_000_000.0
    )
    async with model:
        yield model


async def test_an_answer_is_read_with_its_usage_and_its_pieces_are_shown() -> None:
    shown: list[object] = []
    async with fault_server(HELLO) as server, opened(server.base_url) as model:
        answer = await model.answer(prompt(*BODY), ALL, session="s", watch=shown.append)
    assert (answer.text, answer.calls, answer.model) == ("Hello", (), "openai-chat:test-model")
    assert answer.usage == Usage(120, 100, 15, 9, 4, cost_usd=None)
    assert answer.first_token_s is not None and answer.duration_s is not None
    assert shown == [Delta("text", "Hel"), Delta("text", "lo")]
    assert f"authorization: bearer {KEY}" in server.headers[0].lower()


async def test_a_call_is_put_together_and_later_ones_are_dropped() -> None:
    stream = events(
        delta(tool_calls=[call("file_read", id="a")]),
        delta(tool_calls=[call(arguments='{"path": ')]),
        delta(tool_calls=[call(arguments='"a.txt"}')]),
        delta(tool_calls=[call("file_find", '{"pattern": "*"}', index=1, id="b")]),
        delta(tool_calls=[call("shell_view", "", index=1, id="c")]),
        delta("tool_calls"),
    )
    async with fault_server(Reply(stream)) as server, opened(server.base_url) as model:
        answer = await model.answer(prompt(*BODY), ALL, session="s", watch=unwatched)
    assert answer.calls == (ToolCall("", "file_read", '{"path":"a.txt"}'),)
    assert answer.dropped_calls == 2


async def test_usage_is_estimated_where_the_server_sends_none() -> None:
    async with (
        fault_server(Reply(events(delta("stop", content="four by")))) as server,
        opened(server.base_url) as model,
    ):
        answer = await model.answer(prompt(*BODY), ALL, session="s", watch=unwatched)
    assert answer.usage == Usage(prompt(*BODY).size // 4, output_tokens=1, cost_usd=None)


RETRIED = {
    "429 with seconds": (error(429, headers=JSON | {"retry-after": "7"}), 7.0),
    "429 with a date": (error(429, headers=JSON | {"retry-after": "Fri, 15 Jan 2027 08:00:12 GMT"}), 12.0),
    "429 that asks for too long": (error(429, headers=JSON | {"retry-after": "86400"}), 30.0),
    "429 with nonsense": (error(429, headers=JSON | {"retry-after": "soon"}), 0.5),
    "408": (error(408), 0.5),
    "409": (error(409), 0.5),
    "500": (error(500), 0.5),
    "502 with a page": (Reply(b"<html>bad gateway</html>", 502, {"content-type": "text/html"}), 0.5),
    "reset before the headers": (Reply(end="reset", status=0), 0.5),
    "reset in the stream": (Reply(events(delta(content="Hel"), end=""), end="reset"), 0.5),
    "an empty stream": (Reply(b""), 0.5),
    "an error in the stream": (Reply(events({"error": {"message": "overloaded"}})), 0.5),
}


@pytest.mark.parametrize("name", RETRIED)
async def test_what_may_succeed_later_is_tried_again_and_reported(name: str) -> None:
    reply, delay_s = RETRIED[name]
    shown: list[object] = []
    slept = Slept()
    async with fault_server(reply, HELLO) as server, opened(server.base_url, slept=slept) as model:
        answer = await model.answer(prompt(*BODY), ALL, session="s", watch=shown.append)
    assert answer.text == "Hello"
    assert [(retry.attempt, retry.delay_s) for retry in shown if isinstance(retry, Retry)] == [(1, delay_s)]
    assert slept.seconds == [delay_s]
    assert server.bodies[0] == server.bodies[1]


async def test_the_last_failure_is_raised_with_what_the_server_asked_for() -> None:
    slept = Slept()
    reply = error(503, "overloaded", JSON | {"retry-after": "9"})
    async with fault_server(error(500), error(500), reply) as server, opened(server.base_url, slept=slept) as model:
        with pytest.raises(ModelUnavailable, match="overloaded") as caught:
            await model.answer(prompt(*BODY), ALL, session="s", watch=unwatched)
    assert caught.value.retry_after_s == 9.0
    assert slept.seconds == [0.5, 1.0]
    assert len(server.bodies) == 3


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with fault_server(HELLO) as server:
        gone = server.base_url
    async with opened(gone) as model:
        with pytest.raises(ModelUnavailable, match="ConnectError"):
            await model.answer(prompt(*BODY), ALL, session="s", watch=unwatched)


SILENT = {
    "before the headers": (b"", {}),
    "after the headers": (b"", EVENTS),
    "but for comments": (b": still there\n\n", EVENTS),
    "in the middle": (events(delta(content="Hel"), end=""), EVENTS),
}


@pytest.mark.parametrize("name", SILENT)
async def test_a_silent_server_is_given_up_and_the_connection_closed(name: str) -> None:
    body, headers = SILENT[name]
    patience = Patience(first_token_s=0.2, between_chunks_s=0.2, attempts_max=1)
    async with fault_server(Reply(body, headers=headers, end="stall")) as server:
        async with opened(server.base_url, patience) as model:
            with pytest.raises(ModelUnavailable, match="silent"):
                await model.answer(prompt(*BODY), ALL, session="s", watch=unwatched)
        with anyio.fail_after(10):
            await server.left.wait()


async def test_cancelling_closes_the_request() -> None:
    reply = Reply(events(delta(content="Hel"), end=""), end="stall")
    async with fault_server(reply) as server, opened(server.base_url) as model:
        with anyio.CancelScope() as scope:
            await model.answer(prompt(*BODY), ALL, session="s", watch=lambda _: scope.cancel())
        assert scope.cancelled_caught
        with anyio.fail_after(10):
            await server.left.wait()


REFUSED: dict[str, tuple[Reply, type[Exception], str]] = {
    "a wrong key": (error(401, f"Incorrect API key provided: {KEY}"), ConfigError, "api_key"),
    "a forbidden key": (error(403), ConfigError, "api_key"),
    "an unknown model": (error(404, "no such model"), ConfigError, "base_url"),
    "no money": (error(429, "quota", code="insufficient_quota"), ModelRefused, "quota"),
    "a content filter": (error(400, "filtered", code="content_filter"), ModelRefused, "filtered"),
    "a bad request": (error(400, "unknown field"), ModelRefused, "unknown field"),
    "a filtered answer": (Reply(events(delta("content_filter", content="He"))), ModelRefused, "content filter"),
    "a refusal": (Reply(events(delta(refusal="I will not"), delta("stop"))), ModelRefused, "I will not"),
    "a page": (Reply(b"<html></html>", 200, {"content-type": "text/html"}), MalformedAnswer, "base_url"),
    "no answer": (Reply(events(delta("stop"))), MalformedAnswer, "neither"),
    "not JSON": (Reply(b"data: {oops\n\n"), MalformedAnswer, "not JSON"),
    "a broken-off answer": (Reply(events(delta(content="Hel"), end="")), MalformedAnswer, "broke off"),
    "a call cut off": (
        Reply(events(delta("length", tool_calls=[call("file_read", '{"pa')]))),
        MalformedAnswer,
        "cut off",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_will_not_succeed_is_raised_at_once_and_never_shows_the_key(name: str) -> None:
    reply, kind, said_so = REFUSED[name]
    async with fault_server(reply) as server, opened(server.base_url) as model:
        with pytest.raises(kind, match=said_so) as caught:
            await model.answer(prompt(*BODY), ALL, session="s", watch=unwatched)
        assert KEY not in str(caught.value) + repr(caught.value) + repr(model._server)
    assert len(server.bodies) == 1


OVERFLOWS = {
    "by code": (error(400, "too long", code="context_length_exceeded"), (None, None)),
    "by words": (
        error(400, "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens."),
        (9000, 8192),
    ),
    "by numbers": (
        error(400, "too long", type="exceed_context_size_error", n_prompt_tokens=5000, n_ctx=2048),
        (5000, 2048),
    ),
}


@pytest.mark.parametrize("name", OVERFLOWS)
async def test_a_prompt_past_the_window_overflows(name: str) -> None:
    reply, numbers = OVERFLOWS[name]
    async with fault_server(reply) as server, opened(server.base_url) as model:
        with pytest.raises(ContextOverflow) as caught:
            await model.answer(prompt(*BODY), ALL, session="s", watch=unwatched)
    assert (caught.value.prompt_tokens, caught.value.window_tokens) == numbers


async def test_reasoning_is_echoed_to_the_server_that_sent_it() -> None:
    stream = events(
        delta(reasoning_content="Hm."), delta(tool_calls=[call("file_read", '{"path":"a"}')]), delta("stop"), USAGE
    )
    async with fault_server(Reply(stream), HELLO) as server, opened(server.base_url) as model:
        answer = await model.answer(prompt(*BODY), ALL, session="s", watch=unwatched)
        body = (*BODY, answered(answer, "c1"), returned("c1", "text"))
        await model.answer(prompt(*body), ALL, session="s", watch=unwatched)
    [*_, shown, _] = server.asked[1]["messages"]
    assert shown["reasoning_content"] == "Hm."
    assert "content" not in shown


PAGES: dict[str, tuple[dict[str, object], int | None]] = {
    "props": ({"/props": {"default_generation_settings": {"n_ctx": 4096}}}, 4096),
    "its card": ({"/v1/models": {"data": [{"id": "x"}, {"id": "test-model", "context_length": 32_000}]}}, 32_000),
    "the only card": ({"/v1/models": {"data": [{"id": "other", "max_model_len": 16_000}]}}, 16_000),
    "its meta": ({"/v1/models": {"data": [{"id": "test-model", "meta": {"n_ctx": 8192}}]}}, 8192),
    "many cards": ({"/v1/models": {"data": [{"id": "a", "context_window": 1}, {"id": "b"}]}}, None),
    "nothing": ({}, None),
}


@pytest.mark.parametrize("name", PAGES)
async def test_the_window_is_asked_of_the_server(name: str) -> None:
    pages, window = PAGES[name]
    gets = {path: Reply(json.dumps(page).encode(), headers=JSON) for path, page in pages.items()}
    async with fault_server(HELLO, gets=gets) as server, opened(server.base_url) as model:
        assert await model.window() == window


async def test_a_loading_server_is_asked_for_its_form_again() -> None:
    gets = {"/props": Reply(b"{}", 503, JSON)}
    async with fault_server(HELLO, gets=gets) as server, opened(server.base_url) as model:
        with pytest.raises(ModelUnavailable, match="not ready"):
            await model.answer(prompt(*BODY), ALL, session="s", watch=unwatched)
        server.gets["/props"] = Reply(b'{"chat_template": "{{ messages }}"}', 200, JSON)
        await model.answer(prompt(*BODY), ALL, session="s", watch=unwatched)
    [asked] = server.asked
    assert "tools" not in asked and "response_format" in asked


async def test_a_real_server_without_tools_in_its_template_answers_with_calls(local: LocalModel) -> None:
    short: Json = {"type": "string", "maxLength": 20}  # or this model would write on
    few = [tool("file_read", "Read.", path=short), tool("file_find", "Find.", pattern=short)]
    few += [tool("message_info", "Tell.", text=short), tool("shell_view", "Look.", shell=short)]
    body: tuple[bytes, ...] = (*head("You are brief.", few), said("Read a.txt."))
    masks = [only("file_read"), family(NAMES, "message_"), only("shell_view", "file_find")]
    answers = []
    async with HostedModel(OpenAIChat(Server("openai-chat", f"{local.address}/v1", "local", local.key))) as model:
        for i, mask in enumerate(masks):
            answer = await model.answer(prompt(*body, answer_tokens_max=300), mask, session="s", watch=unwatched)
            assert mask.allows(answer.calls[0].tool)
            assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0
            answers.append(answer)
            body = (*body, answered(answer, f"c{i}"), returned(f"c{i}", "ok"))
        assert await model.window() == await local.window()
    assert answers[1].usage.cached_tokens >= answers[0].usage.input_tokens - 1


async def test_a_real_server_tells_that_a_prompt_is_too_long_and_a_key_wrong(local: LocalModel) -> None:
    base_url = f"{local.address}/v1"
    async with HostedModel(OpenAIChat(Server("openai-chat", base_url, "local", local.key))) as model:
        with pytest.raises(ContextOverflow) as caught:
            await model.answer(prompt(*BODY, said("word " * 1_400)), Mask("auto", ()), session="s", watch=unwatched)
    assert caught.value.window_tokens == await local.window()
    async with HostedModel(OpenAIChat(Server("openai-chat", base_url, "local", KEY))) as model:
        with pytest.raises(ConfigError, match="api_key"):
            await model.answer(prompt(*BODY), ALL, session="s", watch=unwatched)
