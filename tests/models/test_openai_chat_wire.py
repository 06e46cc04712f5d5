"""The bytes of Chat Completions requests: golden, canonical, and the same under every mask."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.models.toolset import ALL, NAMES, head, only, prompt, returned, said
from workhand.core.canonical import encode
from workhand.core.mask import Mask
from workhand.core.prompt import Prompt
from workhand.errors import ConfigError
from workhand.models.wire.dialect import Server
from workhand.models.wire.openai_chat import Form, OpenAIChat, form_of

GOLDEN = Path(__file__).parent / "golden"
SERVER = OpenAIChat(Server("openai-chat", "http://127.0.0.1:1/v1", "test-model"), allowed_tools=True, cache_key=True)
CALL = {"arguments": '{"path":"a.txt"}', "id": "c1", "tool": "file_read"}
BODY = (
    *head(),
    said("Read a.txt — all of it."),
    encode({"calls": [CALL], "role": "assistant", "text": "Looking."}),
    returned("c1", "line 1\nline 2"),
    encode({"calls": [], "opaque": '{"other":1}', "role": "assistant", "text": "Done."}),
)
PROMPT = prompt(*BODY, tail="Goal: read a.txt.")


def request(prompt: Prompt, mask: Mask, dialect: OpenAIChat, form: Form) -> bytes:
    return replace(dialect, form=form).request(prompt, mask, session="s1").body


masks = st.builds(
    lambda mode, names: Mask(mode, tuple(sorted(names))),
    st.sampled_from(["auto", "required", "specified"]),
    st.sets(st.sampled_from(NAMES), min_size=1),
)
forms = st.sampled_from(["native", "json"])


@pytest.mark.parametrize("form", ["native", "json"])
def test_a_request_is_the_golden_one(form: Form) -> None:
    golden = (GOLDEN / f"openai_chat_{form}.json").read_bytes().rstrip(b"\n")
    assert request(PROMPT, only("file_read", "file_find"), SERVER, form) == golden


@pytest.mark.parametrize("form", ["native", "json"])
def test_a_server_that_wants_one_system_message_gets_the_recital_from_the_user(form: Form) -> None:
    sent = json.loads(request(PROMPT, only("file_read"), replace(SERVER, tail_role="user"), form))
    assert sent["messages"][-1] == {"content": "[plan]\nGoal: read a.txt.", "role": "user"}
    assert [message["role"] for message in sent["messages"]].count("system") == 1


@given(masks)
def test_a_native_request_is_canonical_json(mask: Mask) -> None:
    sent = request(PROMPT, mask, SERVER, "native")
    assert encode(json.loads(sent)) == sent


@given(masks, masks, forms)
def test_no_mask_changes_a_byte_of_what_the_model_reads(one: Mask, other: Mask, form: Form) -> None:
    assert read_by_model(request(PROMPT, one, SERVER, form)) == read_by_model(request(PROMPT, other, SERVER, form))


@given(st.integers(2, len(BODY)), forms)
def test_a_longer_body_begins_with_the_messages_of_a_shorter_one(length: int, form: Form) -> None:
    short, long = (json.loads(request(prompt(*body), ALL, SERVER, form)) for body in (BODY[:length], BODY))
    assert long["messages"][: len(short["messages"])] == short["messages"]


CHOICES: list[tuple[Mask, bool, Any]] = [
    (ALL, True, "required"),
    (Mask("auto", NAMES), True, "auto"),
    (Mask("auto", ()), True, "none"),
    (only("file_read"), True, {"type": "function", "function": {"name": "file_read"}}),
    (only("file_read", "file_find"), False, "required"),
    (
        only("file_read", "file_find"),
        True,
        {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "required",
                "tools": [
                    {"type": "function", "function": {"name": "file_read"}},
                    {"type": "function", "function": {"name": "file_find"}},
                ],
            },
        },
    ),
]


@pytest.mark.parametrize(("mask", "allowed_tools", "choice"), CHOICES)
def test_a_mask_is_a_tool_choice(mask: Mask, allowed_tools: bool, choice: Any) -> None:
    server = replace(SERVER, allowed_tools=allowed_tools)
    assert json.loads(request(PROMPT, mask, server, "native"))["tool_choice"] == choice


@given(masks)
def test_in_the_json_dialect_a_mask_is_a_schema_of_the_allowed_calls(mask: Mask) -> None:
    sent = json.loads(request(PROMPT, mask, SERVER, "json"))
    if mask.mode == "auto":
        assert "response_format" not in sent
        return
    calls = sent["response_format"]["json_schema"]["schema"]["anyOf"]
    assert {call["properties"]["name"]["const"] for call in calls} == set(mask.tools)
    assert {tuple(call["properties"]) for call in calls} == {("name", "arguments")}


@pytest.mark.parametrize("form", ["native", "json"])
def test_a_mask_that_allows_nothing_is_refused(form: Form) -> None:
    with pytest.raises(ConfigError, match="allows none"):
        request(PROMPT, Mask("specified", ()), SERVER, form)


def test_the_dialect_follows_from_the_template() -> None:
    assert form_of({"chat_template": "{{ messages }}"}) == "json"
    assert form_of({"chat_template": "{% if tools %}"}) == "native"
    assert form_of(None) == "native"


def read_by_model(sent: bytes) -> bytes:
    """Give the part of a request that a chat template renders."""
    content = json.loads(sent)
    return encode({"messages": content["messages"], "tools": content.get("tools")})
