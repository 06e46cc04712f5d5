"""The rules that the server of scripts holds requests to: each of them can be broken, and is then named."""

from __future__ import annotations

from typing import Any

import pytest

from workhand.testing import anthropic_rules, chat_rules, responses_rules

TOOL: dict[str, Any] = {"name": "look", "input_schema": {"type": "object"}}
MARK: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}
LONG: dict[str, Any] = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
HI: dict[str, Any] = {"type": "text", "text": "Hi."}
USE: dict[str, Any] = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
RESULT: dict[str, Any] = {"type": "tool_result", "tool_use_id": "t1", "content": "ok"}
THOUGHT: dict[str, Any] = {"type": "thinking", "thinking": "Hm."}
SIGNATURE = {"signature": anthropic_rules.signature(THOUGHT, "claude-opus-5", ())}


def user(*content: object) -> dict[str, Any]:
    return {"role": "user", "content": [*content]}


def model(*content: object) -> dict[str, Any]:
    return {"role": "assistant", "content": [*content]}


def messages(*spoken: dict[str, Any], **fields: object) -> dict[str, Any]:
    return {"model": "claude-opus-5", "max_tokens": 9, "tools": [TOOL], "messages": [*spoken]} | fields


GOOD_MESSAGES = {
    "words": messages(user(HI)),
    "a string": messages({"role": "user", "content": "Hi."}, system="Be brief."),
    "a call": messages(user(HI), model(THOUGHT | SIGNATURE, USE), user(RESULT, HI)),
    "marks": messages(user(HI | MARK), model(HI, USE | MARK), user(RESULT | MARK), system=[HI | LONG]),
}
BAD_MESSAGES = {
    "an unknown field": (messages(user(HI), top_k=3), "top_k: Extra inputs"),
    "an unknown field of a block": (messages(user(HI | {"id": "x"})), "id: Extra inputs"),
    "no limit": (messages(user(HI), max_tokens=0), "max_tokens: Field required"),
    "no messages": (messages(), "messages: Field required"),
    "an unknown role": (messages({"role": "tool", "content": "x"}), "Unexpected role 'tool'"),
    "nothing said": (messages(user()), "non-empty content"),
    "a blank text": (messages(user(HI, HI | {"text": " \n"})), "text content blocks must be non-empty"),
    "a marked empty text": (messages(user(HI | MARK | {"text": ""})), "cannot be set for empty text"),
    "a marked thought": (messages(user(HI), model(THOUGHT | SIGNATURE | MARK), user(HI)), "cannot be set on thinking"),
    "a changed thought": (
        messages(user(HI), model(THOUGHT | SIGNATURE | {"thinking": "Oh."}), user(HI)),
        "Invalid `signature`",
    ),
    "a thought of the user": (messages(user(THOUGHT | SIGNATURE)), "does not match any of the expected tags"),
    "the model first": (messages(model(HI), user(HI)), "first message must use the user role"),
    "the model last": (messages(user(HI), model(HI)), "assistant message prefill"),
    "two of one role": (messages(user(HI), user(HI)), "roles must alternate"),
    "a call without a result": (messages(user(HI), model(USE), user(HI)), "without `tool_result` blocks"),
    "a result without a call": (messages(user(RESULT)), "unexpected `tool_use_id`"),
    "a result later on": (
        messages(user(HI), model(USE), user(RESULT), model(HI), user(RESULT)),
        "unexpected `tool_use_id`",
    ),
    "a result twice": (messages(user(HI), model(USE), user(RESULT, RESULT)), "unexpected `tool_use_id`"),
    "words before a result": (messages(user(HI), model(USE), user(HI, RESULT)), "must come first"),
    "a call twice": (
        messages(user(HI), model(USE), user(RESULT), model(USE), user(RESULT)),
        "ids must be unique",
    ),
    "an id with other characters": (messages(user(HI), model(USE | {"id": "t:1"}), user(HI)), "should match pattern"),
    "an image in an error": (
        messages(
            user(HI),
            model(USE),
            user(RESULT | {"is_error": True, "content": [{"type": "image", "source": {}}]}),
        ),
        "must be type text if is_error",
    ),
    "five marks": (messages(user(*[HI | MARK] * 4), system=[HI | MARK]), "A maximum of 4 blocks"),
    "a long mark behind a short one": (messages(user(HI | LONG), system=[HI | MARK]), "must not come after"),
    "a tool twice": (messages(user(HI), tools=[TOOL, TOOL]), "names must be unique"),
    "a tool without an object": (messages(user(HI), tools=[TOOL | {"input_schema": {}}]), "should be 'object'"),
    "a choice of nothing": (messages(user(HI), tools=[], tool_choice={"type": "any"}), "while providing tools"),
    "a choice that there is not": (messages(user(HI), tool_choice={"type": "tool", "name": "x"}), "not found"),
    "a tool removed without the beta": (
        messages(user(HI), {"role": "system", "content": [{"type": "tool_removal", "tool": {"name": "look"}}]}),
        "mid-conversation-tool-changes",
    ),
    "a system message behind an answer": (
        messages(user(HI), model(HI), {"role": "system", "content": "x"}, user(HI)),
        "behind one of the user",
    ),
}

FUNCTION: dict[str, Any] = {"type": "function", "name": "look", "parameters": {"type": "object"}}
SAID: dict[str, Any] = {"role": "user", "content": "Hi."}
CALL: dict[str, Any] = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}
OUTPUT: dict[str, Any] = {"type": "function_call_output", "call_id": "c1", "output": "ok"}
REASONED: dict[str, Any] = {"type": "reasoning", "id": "rs_1", "summary": []}
REASONED |= {"encrypted_content": responses_rules.encrypted(REASONED)}
LED: dict[str, Any] = CALL | {"id": "fc_1"}


def responses(*items: object, **fields: object) -> dict[str, Any]:
    return {"model": "gpt-6.1-sol", "tools": [FUNCTION], "input": [*items]} | fields


GOOD_RESPONSES = {
    "words": responses(SAID, instructions="Be brief."),
    "a call": responses(SAID, REASONED, LED, OUTPUT, SAID),
    "a call of another's": responses(SAID, CALL, SAID, OUTPUT),
    "a choice": responses(SAID, tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [FUNCTION]}),
}
BAD_RESPONSES = {
    "an unknown field": (responses(SAID, messages=[]), "Unknown parameter: 'messages'"),
    "an unknown field of an item": (responses(SAID, CALL | {"result": 1}), r"Unknown parameter: 'input\[1\].result'"),
    "no input": (responses(), "Missing required parameter: 'input'"),
    "a short limit": (responses(SAID, max_output_tokens=15), ">= 16"),
    "an unknown item": (responses(SAID, {"type": "tool_result"}), "no known type"),
    "an unknown role": (responses({"role": "tool", "content": "x"}), "Invalid value: 'tool'"),
    "a part of the other side": (
        responses({"role": "user", "content": [{"type": "output_text", "text": "x"}]}),
        "Supported types are: input_text",
    ),
    "no output": (responses(SAID, OUTPUT | {"output": None}, CALL), "a string or a list"),
    "a call without an output": (responses(SAID, CALL), "No tool output found for function call c1"),
    "an output without a call": (responses(SAID, OUTPUT), "No tool call found"),
    "an output before its call": (responses(SAID, OUTPUT, CALL), "No tool call found"),
    "two outputs": (responses(SAID, CALL, OUTPUT, OUTPUT), "has one output"),
    "a call twice": (responses(SAID, CALL, CALL, OUTPUT), "Duplicate item"),
    "changed reasoning": (
        responses(SAID, REASONED | {"encrypted_content": "x"}, LED, OUTPUT),
        "could not be verified",
    ),
    "reasoning by its id alone": (
        responses(SAID, {"type": "reasoning", "id": "rs_1", "summary": []}, LED, OUTPUT),
        "not found",
    ),
    "reasoning that leads nowhere": (responses(SAID, REASONED, SAID), "required following item"),
    "a call without its reasoning": (responses(SAID, LED, OUTPUT), "without its required 'reasoning' item: 'rs_1'"),
    "a tool twice": (responses(SAID, tools=[FUNCTION, FUNCTION]), "twice"),
    "a nested tool": (
        responses(SAID, tools=[{"type": "function", "function": FUNCTION}]),
        "does not match the pattern",
    ),
    "a choice of nothing": (responses(SAID, tools=[], tool_choice="required"), "only allowed when 'tools'"),
    "a choice that there is not": (responses(SAID, tool_choice=FUNCTION | {"name": "x"}), "not in 'tools'"),
    "no choice": (responses(SAID, tool_choice="some"), "Invalid value for 'tool_choice'"),
}

CHAT_TOOL: dict[str, Any] = {"type": "function", "function": {"name": "look", "parameters": {}}}
CALLED: dict[str, Any] = {
    "role": "assistant",
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
}
BACK: dict[str, Any] = {"role": "tool", "tool_call_id": "c1", "content": "ok"}


def chat(*spoken: object, **fields: object) -> dict[str, Any]:
    return {"model": "any", "tools": [CHAT_TOOL], "messages": [*spoken]} | fields


GOOD_CHATS = {
    "words": chat({"role": "system", "content": "Be brief."}, SAID),
    "a call": chat(SAID, CALLED, BACK, SAID),
    "a choice": chat(
        SAID, tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [CHAT_TOOL]}}
    ),
}
BAD_CHATS = {
    "an unknown field": (chat(SAID, input=[]), "Unrecognized request argument supplied: input"),
    "an unknown field of a message": (chat(SAID | {"id": "x"}), r"Unknown parameter: 'messages\[0\].id'"),
    "no messages": (chat(), "Missing required parameter: 'messages'"),
    "an unknown role": (chat({"role": "model", "content": "x"}), "Invalid value: 'model'"),
    "nothing said": (chat({"role": "user", "content": None}), "got null"),
    "a strange part": (chat({"role": "user", "content": [{"type": "input_text"}]}), "Invalid value: 'input_text'"),
    "a call without an answer": (chat(SAID, CALLED, SAID), "did not have response messages: c1"),
    "a call at the end": (chat(SAID, CALLED), "did not have response messages: c1"),
    "a result without a call": (chat(SAID, BACK), "must be a response to a preceding message"),
    "a result later on": (chat(SAID, CALLED, BACK, SAID, BACK), "must be a response to a preceding message"),
    "a result twice": (chat(SAID, CALLED, BACK, BACK), "must be a response to a preceding message"),
    "a broken call": (chat(SAID, CALLED | {"tool_calls": [{"id": "c1"}]}), "Invalid value at"),
    "a tool twice": (chat(SAID, tools=[CHAT_TOOL, CHAT_TOOL]), "twice"),
    "a flat tool": (chat(SAID, tools=[FUNCTION]), "does not match the pattern"),
    "a flat choice": (chat(SAID, tool_choice={"type": "function", "name": "look"}), "not in 'tools'"),
    "a choice of nothing": (chat(SAID, tools=[], tool_choice="auto"), "only allowed when 'tools'"),
    "calls at once and no tools": (chat(SAID, tools=[], parallel_tool_calls=False), "only allowed when 'tools'"),
    "options of no stream": (chat(SAID, stream_options={}), "only allowed when 'stream'"),
}


@pytest.mark.parametrize("name", GOOD_MESSAGES)
def test_messages_that_keep_the_rules_are_let_through(name: str) -> None:
    assert anthropic_rules.violation(GOOD_MESSAGES[name], {}) == ""


@pytest.mark.parametrize("name", BAD_MESSAGES)
def test_messages_that_break_a_rule_are_told_which(name: str) -> None:
    request, rule = BAD_MESSAGES[name]
    assert rule in anthropic_rules.violation(request, {})


@pytest.mark.parametrize("name", GOOD_RESPONSES)
def test_input_that_keeps_the_rules_is_let_through(name: str) -> None:
    assert responses_rules.violation(GOOD_RESPONSES[name]) == ""


@pytest.mark.parametrize("name", BAD_RESPONSES)
def test_input_that_breaks_a_rule_is_told_which(name: str) -> None:
    request, rule = BAD_RESPONSES[name]
    assert rule.replace("\\", "") in responses_rules.violation(request)


@pytest.mark.parametrize("name", GOOD_CHATS)
def test_chats_that_keep_the_rules_are_let_through(name: str) -> None:
    assert chat_rules.violation(GOOD_CHATS[name]) == ""


@pytest.mark.parametrize("name", BAD_CHATS)
def test_chats_that_break_a_rule_are_told_which(name: str) -> None:
    request, rule = BAD_CHATS[name]
    assert rule.replace("\\", "") in chat_rules.violation(request)
