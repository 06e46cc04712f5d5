"""The Gemini client over a real socket, against a server that holds every request to the published rules."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from tests.models.spoken import BODY, KEY, READ, Slept, ask, ten_turns
from tests.models.toolset import ALL, NAMES, answered, head, prompt, said, tool, unwatched
from workhand.core.events import ToolCall
from workhand.core.mask import Mask
from workhand.core.ports import Delta, Retry
from workhand.errors import ConfigError, ContextOverflow, MalformedAnswer, ModelRefused
from workhand.models.hosted import HostedModel, Patience
from workhand.models.wire.dialect import Server
from workhand.models.wire.gemini import Gemini
from workhand.testing.model import Say
from workhand.testing.script_server import ScriptServer, serving
from workhand.testing.server_script import Fault

pytestmark = pytest.mark.anyio

QUICK = Patience(connect_s=5, first_token_s=5, between_chunks_s=5, attempts_max=3, backoff_max_s=60)
FREE = Mask("auto", NAMES)


@asynccontextmanager
async def opened(
    server: ScriptServer, *, slept: Slept | None = None, stream: bool = True, key: str = KEY, name: str = "gemini-fake"
) -> AsyncIterator[HostedModel]:
    async with serving(server):
        wire = Gemini(Server("google", server.google_url, name, key, stream=stream))
        async with HostedModel(wire, patience=QUICK, chance=lambda: 0.5, sleep=slept or Slept()) as model:
            yield model


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("tail", ["", "Goal: read them."])
async def test_a_session_of_ten_calls_is_served_from_the_cache_under_changing_masks(stream: bool, tail: str) -> None:
    server = ScriptServer([READ] * 10, api_key=KEY, cached_tokens_min=64)
    async with opened(server, stream=stream) as model:
        answers = await ten_turns(model, tail)
    assert [answer.calls[0].tool for answer in answers] == ["file_read"] * 10
    assert answers[0].usage.cached_tokens == 0
    for before, after in pairwise(answers):
        recited = 12 if tail else 1  # tokens that are not kept
        assert after.usage.cached_tokens >= before.usage.input_tokens - recited
        assert after.usage.input_tokens > before.usage.input_tokens
    assert all(answer.usage.reasoning_tokens == 8 < answer.usage.output_tokens for answer in answers)


async def test_signatures_and_ids_are_echoed_as_they_came() -> None:
    server = ScriptServer([READ] * 10, api_key=KEY)
    async with opened(server) as model:
        answers = await ten_turns(model)
    kept = [json.loads(answer.opaque or "")["google"] for answer in answers]
    contents = server.asked[-1]["contents"]
    assert [content["parts"] for content in contents if content["role"] == "model"] == kept[:-1]
    assert all("thoughtSignature" in parts[-1] for parts in kept)
    assert [part["functionResponse"]["id"] for content in contents[2::2] for part in content["parts"]] == [
        f"call-{i}" for i in range(9)
    ]


async def test_a_streamed_answer_is_shown_while_it_arrives_and_equals_a_whole_one() -> None:
    shown: list[object] = []
    answers = []
    for stream in (True, False):
        async with opened(ScriptServer([READ]), stream=stream) as model:
            answers.append(await model.answer(prompt(*BODY), ALL, session="s", watch=shown.append))
    words = [piece.text for piece in shown if isinstance(piece, Delta) and piece.source == "text"]
    assert words == ["I shall look a", "t the file tha", "t was named."]
    one, other = answers
    assert (one.text, one.calls, one.usage, one.opaque) == (other.text, other.calls, other.usage, other.opaque)
    assert one.first_token_s is not None


async def test_an_answer_in_words_is_signed_too_and_goes_on_after_it() -> None:
    server = ScriptServer([Say(text="Which one?"), READ])
    async with opened(server) as model:
        first = await ask(model, *BODY, mask=FREE)
        second = await ask(model, *BODY, answered(first, ""), said("The first."), mask=FREE)
    assert (first.text, first.calls) == ("Which one?", ())
    assert second.calls == (ToolCall("", "file_read", '{"path":"a.txt"}'),)
    assert [list(part) for part in server.asked[-1]["contents"][1]["parts"]] == [["text"], ["text", "thoughtSignature"]]


async def test_the_delay_that_the_body_of_a_429_asks_for_is_kept() -> None:
    slept = Slept()
    shown: list[object] = []
    server = ScriptServer([Fault("unavailable", 37.5), READ])
    async with opened(server, slept=slept) as model:
        answer = await model.answer(prompt(*BODY), ALL, session="s", watch=shown.append)
    assert answer.calls[0].tool == "file_read"
    assert slept.seconds == [37.5]
    assert [retry.delay_s for retry in shown if isinstance(retry, Retry)] == [37.5]


FAULTS: dict[str, tuple[Fault, type[Exception], str]] = {
    "a blocked prompt": (Fault("refused"), ModelRefused, "PROHIBITED_CONTENT"),
    "a malformed call": (Fault("malformed"), MalformedAnswer, "MALFORMED_FUNCTION_CALL"),
    "a prompt that is too long": (Fault("overflow"), ContextOverflow, "1048577 tokens"),
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", FAULTS)
async def test_what_will_not_succeed_is_raised_at_once_and_the_script_goes_on(name: str, stream: bool) -> None:
    fault, kind, words = FAULTS[name]
    server = ScriptServer([fault, READ])
    async with opened(server, stream=stream) as model:
        with pytest.raises(kind, match=words):
            await ask(model, *BODY)
        assert (await ask(model, *BODY)).calls[0].tool == "file_read"
    assert len(server.asked) == 2


async def test_a_prompt_longer_than_the_window_overflows_with_both_lengths() -> None:
    async with opened(ScriptServer(models={"gemini-fake": 2_000})) as model:
        assert await model.window() == 2_000
        with pytest.raises(ContextOverflow) as caught:
            await ask(model, *BODY, said("word " * 4_000))
    assert caught.value.window_tokens == 2_000
    assert caught.value.prompt_tokens is not None and caught.value.prompt_tokens > 5_000


async def test_a_wrong_key_is_named_but_not_shown_and_an_unknown_model_is_said() -> None:
    async with opened(ScriptServer(api_key="another"), key=KEY) as model:
        with pytest.raises(ConfigError, match="api_key") as caught:
            await ask(model, *BODY)
    assert KEY not in str(caught.value)
    async with opened(ScriptServer(models={"gemini-fake": 2_000}), name="gemini-gone") as model:
        assert await model.window() is None
        with pytest.raises(ConfigError, match="gemini-gone"):
            await ask(model, *BODY)


# -- the server itself -----------------------------------------------------------------------------------------------


async def test_words_are_given_where_no_call_is_allowed() -> None:
    async with opened(ScriptServer([READ])) as model:
        plain = await ask(model, *BODY, mask=Mask("auto", ()))
        summary = await ask(model, *BODY, mask=Mask("auto", ()), tail="[notice] Open goals:\n- read")
        schema = '{"properties":{"n":{"minimum":3,"type":"integer"}},"required":["n"],"type":"object"}'
        stated = await model.answer(prompt(*BODY), FREE, session="s", watch=unwatched, schema=schema)
    assert plain.text == "Done."
    assert json.loads(summary.text)["goals"] == ["read"]
    assert json.loads(stated.text) == {"n": 3}


async def test_a_prefix_shorter_than_the_least_is_not_cached() -> None:
    few = (*head(tools=[tool("file_read", "Read.")]), said("Read."))
    async with opened(ScriptServer([READ] * 2, cached_tokens_min=1_024)) as model:
        answers = [await ask(model, *few) for _ in range(2)]
    assert [answer.usage.cached_tokens for answer in answers] == [0, 0]
