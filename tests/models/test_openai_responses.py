"""The Responses client, by plain HTTP and through OpenAI's own: a server that fails, and a real one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.models.fault_server import JSON, Reply, error, events, fault_server
from tests.models.spoken import KEY, QUICK, Slept
from tests.models.test_openai_responses_wire import REASONING, USAGE, function_call, message, response, streamed
from tests.models.toolset import ALL, answered, head, prompt, returned, said, unwatched
from workhand.core.events import ToolCall
from workhand.core.mask import Mask
from workhand.core.ports import Delta, Retry
from workhand.errors import ConfigError, ContextOverflow, MalformedAnswer, ModelRefused, ModelUnavailable
from workhand.models.hosted import HostedModel
from workhand.models.local import LocalModel
from workhand.models.transport import Vendor
from workhand.models.wire.dialect import Server
from workhand.models.wire.openai_responses import OpenAIResponses

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("vendor", [None, Vendor("openai")], ids=["plain", "sdk"]),
]

BODY = (*head(), said("Say hello."))
DONE = response(REASONING, message("Hello", phase="commentary"), function_call())
LINES = streamed(DONE)
WHOLE = Reply(json.dumps(DONE).encode(), 200, JSON)


def stream(*lines: str, end: str = "") -> bytes:
    return "".join(f"event: x\n{line}\n\n" for line in lines).encode() + end.encode()


HELLO = Reply(stream(*LINES))


@asynccontextmanager
async def opened(
    base_url: str, vendor: Vendor | None, slept: Slept | None = None, *, streams: bool = True
) -> AsyncIterator[HostedModel]:
    dialect = OpenAIResponses(Server("openai", base_url, "test-model", KEY, stream=streams))
    async with HostedModel(
        dialect,
        vendor=vendor,
        patience=QUICK,
        chance=lambda: 0.5,
        sleep=slept or Slept(),
        now=lambda: 1_800_000_000.0,
    ) as model:
        yield model


@pytest.mark.parametrize("streams", [True, False])
async def test_an_answer_is_read_and_its_pieces_are_shown(vendor: Vendor | None, streams: bool) -> None:
    shown: list[object] = []
    reply = HELLO if streams else WHOLE
    async with fault_server(reply) as server, opened(server.base_url, vendor, streams=streams) as model:
        answer = await model.answer(prompt(*BODY), ALL, session="s1", watch=shown.append)
    assert (answer.text, answer.calls) == ("Hello", (ToolCall("", "file_read", '{"path":"a.txt"}'),))
    assert (answer.usage, answer.model) == (USAGE, "openai:test-model")
    texts = [Delta("text", "Hel"), Delta("text", "lo"), Delta("call", "file_read"), Delta("call", '{"path":"a.txt"}')]
    assert shown == (texts if streams else [])
    [asked] = server.asked
    assert asked.get("stream", False) == streams and asked["prompt_cache_key"] == "s1"
    assert server.headers[0].startswith("POST /v1/responses ")
    assert f"authorization: bearer {KEY}" in server.headers[0].lower()


async def test_the_bytes_that_were_made_are_sent_and_the_answer_is_shown_again_in_them(vendor: Vendor | None) -> None:
    async with fault_server(HELLO) as server, opened(server.base_url, vendor) as model:
        answer = await model.answer(prompt(*BODY), ALL, session="s1", watch=unwatched)
        body = (*BODY, answered(answer, "c1"), returned("c1", "line 1"))
        await model.answer(prompt(*body), ALL, session="s1", watch=unwatched)
    dialect = OpenAIResponses(Server("openai", server.base_url, "test-model"))
    assert server.bodies == [dialect.request(prompt(*each), ALL, session="s1").body for each in (BODY, body)]
    output = {"call_id": "call_1", "output": "line 1", "type": "function_call_output"}
    assert server.asked[1]["input"][1:] == [*DONE["output"], output]


RETRIED = {
    "429 with seconds": (error(429, headers=JSON | {"retry-after": "7"}), 7.0),
    "500": (error(500), 0.5),
    "reset before the headers": (Reply(end="reset", status=0), 0.5),
    "reset in the stream": (Reply(stream(*LINES[:4]), end="reset"), 0.5),
    "an empty stream": (Reply(b""), 0.5),
    "an error in the stream": (Reply(events({"type": "error", "code": "server_error", "message": "x"})), 0.5),
    "a failed response": (
        Reply(events({"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded"}}})),
        0.5,
    ),
}


@pytest.mark.parametrize("name", RETRIED)
async def test_what_may_succeed_later_is_tried_again_and_reported(vendor: Vendor | None, name: str) -> None:
    reply, delay_s = RETRIED[name]
    shown: list[object] = []
    slept = Slept()
    async with fault_server(reply, HELLO) as server, opened(server.base_url, vendor, slept) as model:
        answer = await model.answer(prompt(*BODY), ALL, session="s", watch=shown.append)
    assert answer.text == "Hello"
    assert [(retry.attempt, retry.delay_s) for retry in shown if isinstance(retry, Retry)] == [(1, delay_s)]
    assert slept.seconds == [delay_s]
    assert server.bodies[0] == server.bodies[1]


REFUSED: dict[str, tuple[Reply, type[Exception], str]] = {
    "a wrong key": (error(401, f"Incorrect API key provided: {KEY}"), ConfigError, "api_key"),
    "an unknown model": (error(404, "no such model"), ConfigError, "base_url"),
    "no money": (error(429, "quota", code="insufficient_quota"), ModelRefused, "quota"),
    "a bad request": (error(400, f"unknown field {KEY}"), ModelRefused, "unknown field"),
    "too long": (error(400, "too long", code="context_length_exceeded"), ContextOverflow, "window"),
    "a bad prompt": (
        Reply(events({"type": "error", "code": "invalid_prompt", "message": f"bad {KEY}"})),
        ModelRefused,
        "bad",
    ),
    "a page": (Reply(b"<html></html>", 200, {"content-type": "text/html"}), MalformedAnswer, "base_url"),
    "a broken-off answer": (Reply(stream(*LINES[:6])), MalformedAnswer, "broke off"),
    "an event cut in two": (Reply(stream(*LINES[:-1], LINES[-1][:400])), MalformedAnswer, "not JSON"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_will_not_succeed_is_raised_at_once_and_never_shows_the_key(
    vendor: Vendor | None, name: str
) -> None:
    reply, kind, said_so = REFUSED[name]
    async with fault_server(reply) as server, opened(server.base_url, vendor) as model:
        with pytest.raises(kind, match=said_so) as caught:
            await model.answer(prompt(*BODY), ALL, session="s", watch=unwatched)
        assert KEY not in str(caught.value) + repr(caught.value) + repr(model._server)
    assert len(server.bodies) == 1


async def test_a_server_that_is_not_there_is_unavailable(vendor: Vendor | None) -> None:
    async with fault_server(HELLO) as server:
        gone = server.base_url
    async with opened(gone, vendor) as model:
        with pytest.raises(ModelUnavailable, match=r"Connect|connection"):
            await model.answer(prompt(*BODY), ALL, session="s", watch=unwatched)


async def test_the_window_is_asked_of_the_server(vendor: Vendor | None) -> None:
    gets = {"/v1/models": Reply(b'{"data":[{"id":"test-model","context_length":32000}]}', headers=JSON)}
    async with fault_server(HELLO, gets=gets) as server, opened(server.base_url, vendor) as model:
        assert await model.window() == 32_000
        server.gets["/props"] = Reply(b'{"default_generation_settings":{"n_ctx":4096}}', headers=JSON)
        assert await model.window() == 4_096


async def test_a_real_server_streams_and_finds_the_first_turn_in_its_cache(
    vendor: Vendor | None, local: LocalModel
) -> None:
    server = Server("openai", f"{local.address}/v1", "local", local.key)
    dialect = OpenAIResponses(server, cache_key=False, allowed_tools=False, encrypted=False, tail_role="user")
    body: tuple[bytes, ...] = (*head("You are brief.", []), said("Say hello."))
    answers, shown = [], list[object]()
    async with HostedModel(dialect, vendor=vendor) as model:
        for text in ("And again.", "And once more."):
            asked = prompt(*body, answer_tokens_max=40)
            answers.append(await model.answer(asked, Mask("auto", ()), session="s", watch=shown.append))
            body = (*body, answered(answers[-1], ""), said(text))
        assert await model.window() == await local.window()
    assert "".join(each.text for each in shown if isinstance(each, Delta)) == "".join(each.text for each in answers)
    first, second = (answer.usage for answer in answers)
    assert second.input_tokens > second.cached_tokens >= first.input_tokens - 1 > 0
    assert first.output_tokens > 1
