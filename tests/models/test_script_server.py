"""The server of scripts: what it holds requests to, what it counts, and that all formats say the same."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.models.spoken import BODY, DIALECTS, KEY, READ, VENDORS, ask, dialect, opened, ten_turns
from tests.models.toolset import ALL, NAMES, answered, head, only, prompt, returned, said, unwatched
from workhand.core.canonical import Json
from workhand.core.events import ToolCall
from workhand.core.mask import Mask, family
from workhand.core.ports import Delta
from workhand.errors import ConfigError, ContextOverflow, MalformedAnswer, ModelRefused, ModelUnavailable
from workhand.models.wire.anthropic import Anthropic
from workhand.models.wire.dialect import Server
from workhand.testing.fitting import fitting
from workhand.testing.model import Say
from workhand.testing.script_server import ScriptServer, serving
from workhand.testing.server_script import Fault, read_script

pytestmark = pytest.mark.anyio

FREE = Mask("auto", NAMES)


# -- what all formats have in common -------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("tail", ["", "Goal: read them."])
@pytest.mark.parametrize("name", DIALECTS)
async def test_a_session_of_ten_calls_is_served_from_the_cache_under_changing_masks(
    name: str, tail: str, stream: bool
) -> None:
    server = ScriptServer([READ] * 10, api_key=KEY, cached_tokens_min=64)
    async with serving(server), opened(dialect(name, server.address, stream=stream)) as model:
        answers = await ten_turns(model, tail)
    assert [answer.calls for answer in answers] == [(ToolCall("", "file_read", '{"path":"a.txt"}'),)] * 10
    assert [answer.text for answer in answers] == [READ.text] * 10
    assert answers[0].usage.cached_tokens == 0
    for before, after in pairwise(answers):
        recited = 16 if tail else 2  # tokens that are not kept
        assert after.usage.cached_tokens >= before.usage.input_tokens - recited
        assert after.usage.input_tokens > before.usage.input_tokens
    assert all(answer.usage.reasoning_tokens == 8 < answer.usage.output_tokens for answer in answers)


@pytest.mark.parametrize("name", ["anthropic", "openai-marked"])
async def test_what_is_marked_is_written_once_and_read_from_then_on(name: str) -> None:
    server = ScriptServer([READ] * 10, cached_tokens_min=64)
    async with serving(server), opened(dialect(name, server.address)) as model:
        answers = await ten_turns(model, "Goal: read them.")
    for before, after in pairwise(answers):
        assert after.usage.cached_tokens == before.usage.cached_tokens + before.usage.written_tokens
    recited = {
        answer.usage.input_tokens - answer.usage.cached_tokens - answer.usage.written_tokens for answer in answers
    }
    assert len(recited) == 1  # all but the recital is in the cache
    assert 0 < recited.pop() < 20


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_vendors_client_is_answered_as_plain_http_is(vendor: str) -> None:
    answers = []
    for sender in (None, VENDORS[vendor]):
        server = ScriptServer([READ], api_key=KEY)
        async with serving(server), opened(dialect(vendor, server.address), vendor=sender) as model:
            answers.append(await ask(model, *BODY))
    one, other = answers
    assert (one.text, one.calls, one.usage, one.opaque) == (other.text, other.calls, other.usage, other.opaque)


@pytest.mark.parametrize("name", DIALECTS)
async def test_a_streamed_answer_is_shown_while_it_arrives_and_equals_a_whole_one(name: str) -> None:
    shown: list[object] = []
    answers = []
    for stream in (True, False):
        server = ScriptServer([READ])
        async with serving(server), opened(dialect(name, server.address, stream=stream)) as model:
            answers.append(await model.answer(prompt(*BODY), ALL, session="s", watch=shown.append))
    words = [piece.text for piece in shown if isinstance(piece, Delta) and piece.source == "text"]
    assert words == ["I shall look a", "t the file tha", "t was named."]
    one, other = answers
    assert (one.text, one.calls, one.usage, one.opaque) == (other.text, other.calls, other.usage, other.opaque)


MASKED = {
    "openai": ("plan_update", only("plan_update")),
    "openai-marked": ("shell_run", family(NAMES, "shell_")),
    "openai-chat": ("shell_run", family(NAMES, "shell_")),
    "google": ("shell_run", family(NAMES, "shell_")),
}


@pytest.mark.parametrize("name", MASKED)
async def test_the_mask_is_stronger_than_the_script_and_goes_on_behind_its_end(name: str) -> None:
    tool_called, mask = MASKED[name]
    server = ScriptServer([READ])
    async with serving(server), opened(dialect(name, server.address)) as model:
        masked = await ask(model, *BODY, mask=mask)
        body = (*BODY, answered(masked, "c0"), returned("c0", "ok"))
        behind = await ask(model, *body, mask=only("plan_update"))
    assert masked.calls[0].tool == tool_called
    assert json.loads(behind.calls[0].arguments) == {"done": 0, "goal": "x", "phases": [{"title": "x"}]}


async def test_a_server_that_does_not_obey_calls_what_the_script_says() -> None:
    server = ScriptServer([READ], obeys=False)
    async with serving(server), opened(dialect("google", server.address)) as model:
        assert (await ask(model, *BODY, mask=only("plan_update"))).calls[0].tool == "file_read"


async def test_a_tool_that_is_withdrawn_in_the_conversation_is_not_called() -> None:
    server = ScriptServer([READ])
    async with serving(server):
        spoken = Anthropic(Server("anthropic", server.address, "claude-opus-5", KEY), tool_changes=True)
        async with opened(spoken) as model:
            answer = await ask(model, *BODY, mask=only("shell_run", "shell_view"))
    assert answer.calls[0].tool == "shell_run"


@pytest.mark.parametrize("name", DIALECTS)
async def test_words_are_given_where_a_summary_is_asked_for(name: str) -> None:
    server = ScriptServer([READ])
    async with serving(server), opened(dialect(name, server.address)) as model:
        answer = await ask(model, *BODY, mask=Mask("auto", ()), tail="[notice] Open goals:\n- read")
    assert (json.loads(answer.text)["goals"], answer.calls) == (["read"], ())


@pytest.mark.parametrize("name", DIALECTS)
async def test_answers_that_a_summary_stands_for_are_counted(name: str) -> None:
    server = ScriptServer([READ, READ, Say(text="The third.")])
    stands = said("[summary] This stands for what happened before, 2 answers.")
    quoted = said('It said "[summary] This stands for what happened before, 9 answers."')
    async with serving(server), opened(dialect(name, server.address)) as model:
        answer = await ask(model, *head(), stands, quoted, mask=FREE)
        quoting = await ask(model, *head(), quoted, mask=FREE)
    assert (answer.text, quoting.text) == ("The third.", READ.text)


FAULTS: dict[str, tuple[Fault, type[Exception]]] = {
    "unavailable": (Fault("unavailable"), ModelUnavailable),
    "limited": (Fault("unavailable", 7.5), ModelUnavailable),
    "refused": (Fault("refused"), ModelRefused),
    "malformed": (Fault("malformed"), MalformedAnswer),
    "too long": (Fault("overflow"), ContextOverflow),
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", DIALECTS)
async def test_a_fault_happens_once_and_the_script_goes_on(name: str, fault: str, stream: bool) -> None:
    happens, kind = FAULTS[fault]
    server = ScriptServer([*[happens] * (3 if kind is ModelUnavailable else 1), READ])
    async with serving(server), opened(dialect(name, server.address, stream=stream)) as model:
        with pytest.raises(kind) as caught:
            await ask(model, *BODY)
        assert (await ask(model, *BODY)).calls[0].tool == "file_read"
    if isinstance(caught.value, ModelUnavailable):
        assert caught.value.retry_after_s == happens.retry_s
    if isinstance(caught.value, ContextOverflow):
        assert (caught.value.prompt_tokens, caught.value.window_tokens) == (1_048_577, 1_048_576)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", DIALECTS)
async def test_an_answer_ends_at_the_limit_that_was_asked_for(name: str, stream: bool) -> None:
    server = ScriptServer([Say(text="word " * 400)])
    async with serving(server), opened(dialect(name, server.address, stream=stream)) as model:
        answer = await model.answer(prompt(*BODY, answer_tokens_max=20), FREE, session="s", watch=unwatched)
        assert len(answer.text) == 80
        with pytest.raises(MalformedAnswer, match="cut off at 20"):
            await model.answer(prompt(*BODY, answer_tokens_max=20), ALL, session="s", watch=unwatched)


@pytest.mark.parametrize("name", DIALECTS)
async def test_a_wrong_key_is_named_but_not_shown_and_an_unknown_model_is_said(name: str) -> None:
    server = ScriptServer(api_key="another", models={"some": 1_000})
    async with serving(server), opened(dialect(name, server.address)) as model:
        with pytest.raises(ConfigError, match="api_key") as caught:
            await ask(model, *BODY)
    assert KEY not in str(caught.value)
    server = ScriptServer(models={"some": 1_000})
    async with serving(server), opened(dialect(name, server.address, model="gone")) as model:
        with pytest.raises(ConfigError, match="gone"):
            await ask(model, *BODY)


@pytest.mark.parametrize(("name", "window"), [("anthropic", 5_000), ("google", 5_000), ("openai", None)])
async def test_a_window_is_told_where_the_provider_tells_it(name: str, window: int | None) -> None:
    server = ScriptServer(models={"some": 5_000})
    async with serving(server), opened(dialect(name, server.address, model="some")) as model:
        assert await model.window() == window


SIGNED = {
    "anthropic": ("signature", "Invalid `signature`"),
    "openai": ("encrypted_content", "could not be verified"),
    "google": ("thoughtSignature", "Thought signature is not valid"),
}


@pytest.mark.parametrize("name", SIGNED)
async def test_what_is_signed_has_to_come_back_unchanged(name: str) -> None:
    key, rule = SIGNED[name]
    server = ScriptServer([READ] * 2)
    async with serving(server), opened(dialect(name, server.address)) as model:
        first = await ask(model, *BODY)
        shown = answered(first, "c0")
        kept = f'"{key}\\":\\"'.encode()
        for body in (shown, shown.replace(kept, kept + b"x")):
            if body == shown:
                await ask(model, *BODY, shown, returned("c0", "ok"))
                continue
            assert body.count(kept + b"x") == 1
            with pytest.raises(ModelRefused, match=rule):
                await ask(model, *BODY, body, returned("c0", "ok"))


@pytest.mark.parametrize("tail", ["", "Goal: read."])
async def test_a_model_that_holds_to_what_stood_before_its_thoughts_gets_them_only_where_it_is_the_same(
    tail: str,
) -> None:
    server = ScriptServer([READ] * 10)
    async with serving(server), opened(dialect("anthropic", server.address, model="claude-opus-5-5")) as model:
        answers = await ten_turns(model, tail)
        body = (*BODY, answered(answers[0], "c0"), returned("c0", "ok"))
        await ask(model, *body)
        assert ("thinking" in json.dumps(server.asked[-1]["messages"])) == (not tail)
        changed = (*BODY[:2], said("Read the other files."), *body[3:])
        await ask(model, *changed)
        assert "thinking" not in json.dumps(server.asked[-1]["messages"])


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/v1/messages", "{", 400, "Invalid JSON"),
        (
            "/v1/messages",
            '{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":"x"}]}',
            400,
            "first message",
        ),
        ("/v1/responses", '{"model":"m","input":[{"type":"item"}]}', 400, "no known type"),
        (
            "/v1/chat/completions",
            '{"model":"m","messages":[{"role":"tool","tool_call_id":"x","content":"x"}]}',
            400,
            "preceding message",
        ),
        ("/v1beta/models/x:generateContent", '{"messages":[]}', 400, 'Unknown name "messages"'),
        ("/v1/completions", "{}", 404, "no method"),
    ],
)
async def test_a_request_that_breaks_a_rule_is_answered_with_it(path: str, body: str, status: int, words: str) -> None:
    async with serving(ScriptServer()) as server, httpx2.AsyncClient() as client:
        response = await client.post(server.address + path, content=body)
    assert (response.status_code, words in response.json()["error"]["message"]) == (status, True)


# -- scripts and the command line ----------------------------------------------------------------------------------


SCHEMAS: list[tuple[Json, Json]] = [
    ({"const": 7}, 7),
    ({"enum": ["a", "b"]}, "a"),
    ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
    ({"type": ["string", "null"], "minLength": 2}, "xx"),
    ({"$defs": {"a": {"type": "boolean"}}, "$ref": "#/$defs/a"}, False),
    ({"type": "object"}, {}),
    ({"type": "object", "properties": {"a": {"type": "string"}}}, {}),
    ({"type": "array", "items": {"type": "number"}, "minItems": 2}, [0, 0]),
]


@pytest.mark.parametrize(("schema", "value"), SCHEMAS)
def test_arguments_are_made_to_fit_a_schema(schema: Any, value: Json) -> None:
    assert fitting(schema) == value


def test_a_script_is_read_from_a_file_and_what_it_cannot_be_is_said(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"tool":"file_read","arguments":{"path":"a"}}\n\n{"error":"refused"}\n{"text":"Done."}\n')
    assert read_script(path) == [Say("file_read", {"path": "a"}), Fault("refused"), Say(text="Done.")]
    path.write_text('{"error":"tired"}\n')
    with pytest.raises(ConfigError, match="tired"):
        read_script(path)


def test_the_server_can_be_started_from_a_command_line(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"text":"Done."}\n')
    command = [sys.executable, "-m", "workhand.testing.script_server", "--script", str(path), "--model", "some"]
    with subprocess.Popen([*command, "--window-tokens", "5000"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            exported = dict(word.split("=", 1) for word in shlex.split(process.stdout.readline())[1:])
            assert httpx2.get(f"{exported['GOOGLE_GEMINI_BASE_URL']}/models/some").json()["inputTokenLimit"] == 5_000
            assert httpx2.get(f"{exported['OPENAI_BASE_URL']}/models").json()["data"][0]["id"] == "some"
            model = httpx2.get(f"{exported['ANTHROPIC_BASE_URL']}/v1/models/some", headers={"anthropic-version": "x"})
            assert model.json()["max_input_tokens"] == 5_000
            assert all(exported[f"{name}_API_KEY"] for name in ("ANTHROPIC", "OPENAI", "GEMINI"))
        finally:
            process.kill()
