"""The bytes of requests to Gemini, and what its answers mean: golden, canonical, and the same under every mask."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.genai import types
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.models.toolset import ALL, NAMES, TOOLS, head, only, prompt, returned, said
from workhand.core.canonical import Json, encode
from workhand.core.events import ModelAnswered, ToolCall, Usage
from workhand.core.mask import Mask
from workhand.core.ports import Delta
from workhand.core.prompt import Prompt
from workhand.errors import ConfigError, ContextOverflow, MalformedAnswer, ModelRefused, ModelUnavailable
from workhand.models.wire.dialect import Server
from workhand.models.wire.failures import failure
from workhand.models.wire.gemini import Gemini
from workhand.testing.gemini_rules import sign, violation

GOLDEN = Path(__file__).parent / "golden" / "gemini.json"
SERVER = Server("google", "http://127.0.0.1:1/v1beta", "gemini-test")
DIALECT = Gemini(SERVER)
PIXEL: Json = [{"base64": "aGk=", "type": "image/png"}]
FREE = Mask("auto", NAMES)


def calling(id: str, text: str = "", opaque: object = None, arguments: str = '{"path":"a.txt"}') -> bytes:
    block: dict[str, object] = {
        "calls": [{"arguments": arguments, "id": id, "tool": "file_read"}],
        "role": "assistant",
        "text": text,
    }
    return encode(block if opaque is None else block | {"opaque": encode({"google": opaque}).decode()})


def telling(text: str, opaque: object = None) -> bytes:
    block: dict[str, object] = {"calls": [], "role": "assistant", "text": text}
    return encode(block if opaque is None else block | {"opaque": encode({"google": opaque}).decode()})


def resulting(id: str, text: str, *, ok: bool = True, media: Json = None) -> bytes:
    block: dict[str, object] = {"call": id, "ok": ok, "role": "tool", "text": text}
    return encode(block | {"media": media} if media else block)


def signed(part: dict[str, Json]) -> dict[str, Json]:
    return part | {"thoughtSignature": sign(part)}


CALL: dict[str, Json] = {"functionCall": {"args": {"path": "a.txt"}, "id": "gemini-1", "name": "file_read"}}
BODY = (
    *head(tools=TOOLS[:2]),
    said("Read a.txt — all of it."),
    calling("c1", "Looking.", [{"text": "Looking."}, signed(CALL)]),
    resulting("c1", "line 1\nline 2", media=PIXEL),
    said("And again."),
    calling("c2"),
    resulting("c2", "gone", ok=False),
    telling("Done."),
)
PROMPT = prompt(*BODY, tail="Goal: read a.txt.")


def sent(prompt: Prompt, mask: Mask = ALL, schema: str | None = None) -> Any:
    return json.loads(DIALECT.request(prompt, mask, session="s1", schema=schema).body)


def test_a_request_is_the_golden_one() -> None:
    assert DIALECT.request(PROMPT, only("file_read"), session="s1").body == GOLDEN.read_bytes().rstrip(b"\n")


@pytest.mark.parametrize(
    ("stream", "path"),
    [
        (True, "/models/gemini-test:streamGenerateContent?alt=sse"),
        (False, "/models/gemini-test:generateContent"),
    ],
)
def test_the_path_says_whether_the_answer_is_streamed(stream: bool, path: str) -> None:
    dialect = Gemini(Server("google", "http://127.0.0.1:1/v1beta", "gemini-test", "k", stream=stream))
    assert dialect.request(PROMPT, FREE, session="s").path == path
    assert dialect.auth == (("x-goog-api-key", "k"),)


def test_the_recital_and_images_stand_behind_a_result_in_a_content_of_their_own() -> None:
    body = (*head(), said("Look."), calling("c1"), resulting("c1", "seen", media=PIXEL))
    _, _, result, rest = sent(prompt(*body, tail="Goal."))["contents"]
    assert [list(part) for part in result["parts"]] == [["functionResponse"]]
    assert rest == {
        "parts": [{"inlineData": {"data": "aGk=", "mimeType": "image/png"}}, {"text": "[plan]\nGoal."}],
        "role": "user",
    }


def test_a_call_without_a_signature_gets_the_documented_one_and_its_result_no_id() -> None:
    body = (*head(), said("Look."), calling("c1", opaque=[{"functionCall": {"args": {}, "name": "file_read"}}]))
    _, call, result = sent(prompt(*body, resulting("c1", "", ok=False)))["contents"]
    assert call["parts"][0]["thoughtSignature"] == "skip_thought_signature_validator"
    assert result["parts"] == [{"functionResponse": {"name": "file_read", "response": {"error": ""}}}]


def test_results_of_two_calls_of_another_model_share_a_content_and_an_image_alone_needs_no_words() -> None:
    calls: list[Json] = [{"arguments": "{}", "id": id, "tool": tool} for id, tool in (("a", "one"), ("b", "two"))]
    answer = encode({"calls": calls, "role": "assistant", "text": ""})
    image = encode({"media": PIXEL, "role": "user", "text": ""})
    body = prompt(*head(), image, answer, resulting("b", "B", media=PIXEL), resulting("a", "A"))
    first, _, results, _ = (content["parts"] for content in sent(body)["contents"])
    assert [list(part) for part in first] == [["inlineData"]]
    assert [part["functionResponse"]["name"] for part in results] == ["two", "one"]


@pytest.mark.parametrize("opaque", ['{"anthropic":[{"type":"thinking"}]}', "not JSON", '{"google":[{"text":"Hm."}]}'])
def test_what_another_model_left_or_does_not_fit_the_call_is_not_echoed(opaque: str) -> None:
    call = json.loads(calling("c1", "Looking.")) | {"opaque": opaque}
    _, shown, _ = sent(prompt(*head(), said("Look."), encode(call), returned("c1", "")))["contents"]
    assert [list(part) for part in shown["parts"]] == [["text"], ["functionCall", "thoughtSignature"]]


CALLINGS: dict[str, tuple[Mask, Json]] = {
    "any or text": (Mask("auto", NAMES), {"mode": "AUTO"}),
    "text only": (Mask("auto", ()), {"mode": "NONE"}),
    "some or text": (Mask("auto", ("file_read",)), {"mode": "VALIDATED", "allowedFunctionNames": ["file_read"]}),
    "any": (ALL, {"mode": "ANY"}),
    "all by name": (only(*NAMES), {"mode": "ANY"}),
    "some": (only("file_find", "file_read"), {"mode": "ANY", "allowedFunctionNames": ["file_read", "file_find"]}),
}


@pytest.mark.parametrize("name", CALLINGS)
def test_a_mask_is_a_function_calling_config(name: str) -> None:
    mask, calling = CALLINGS[name]
    assert sent(prompt(*head(), said("Hi.")), mask)["toolConfig"] == {"functionCallingConfig": calling}


def test_a_mask_that_allows_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="allows none"):
        sent(PROMPT, only("shell_run"))


def test_a_schema_is_asked_for_as_json_without_calls_and_over_the_same_contents() -> None:
    plain, asked = sent(PROMPT, FREE), sent(PROMPT, FREE, '{"type":"object"}')
    assert asked["generationConfig"] == {
        "maxOutputTokens": 200,
        "responseJsonSchema": {"type": "object"},
        "responseMimeType": "application/json",
    }
    assert asked["toolConfig"] == {"functionCallingConfig": {"mode": "NONE"}}
    assert [asked[key] for key in ("contents", "systemInstruction", "tools")] == [
        plain[key] for key in ("contents", "systemInstruction", "tools")
    ]
    assert not violation(asked)


# -- every session ---------------------------------------------------------------------------------------------------

masks = st.builds(
    lambda mode, names: Mask(mode, tuple(sorted(names))),
    st.sampled_from(["auto", "required", "specified"]),
    st.sets(st.sampled_from(NAMES), min_size=1),
)
texts = st.text(max_size=40)
media = st.sampled_from([None, PIXEL, [{"base64": "aGkh", "type": "application/pdf"}]])


def turn_of_calls(at: int, text: str, form: str, result: str, ok: bool, media: Json) -> tuple[bytes, ...]:
    """Give a call and its result; ``form`` says who made the call, and what of it was kept."""
    spoken: list[dict[str, Json]] = [{"text": text}] if text else []
    parts: dict[str, object] = {
        "foreign": None,
        "signed": [*spoken, signed(CALL)],
        "without id": [*spoken, signed({"functionCall": {"args": {}, "name": "file_read"}})],
        "without signature": [*spoken, CALL],
        "thought": [{"text": "Hm.", "thought": True}, *spoken, signed(CALL)],
    }
    return calling(f"c{at}", text, parts[form]), resulting(f"c{at}", result, ok=ok, media=media)


def turn_of_words(text: str, form: str) -> tuple[bytes, ...]:
    kept: dict[str, object] = {"foreign": None, "signed": [{"text": text}, signed({"text": ""})]}
    return (telling(text, kept[form]),)


events = st.one_of(
    st.builds(lambda text: (said(text),), texts),
    st.builds(lambda text: (said(f"[notice] {text}"),), texts),
    st.builds(turn_of_words, texts.filter(bool), st.sampled_from(["foreign", "signed"])),
    st.builds(
        turn_of_calls,
        st.integers(0, 99),
        texts,
        st.sampled_from(["foreign", "signed", "without id", "without signature", "thought"]),
        texts,
        st.booleans(),
        media,
    ),
)
sessions = st.lists(events, max_size=60).map(lambda turns: tuple(piece for pieces in turns for piece in pieces))
HUGE = (said("Read."), *turn_of_calls(0, "", "signed", "é" * 500_000, True, PIXEL))


@settings(deadline=None)
@given(sessions, texts, masks)
@example(HUGE, "", ALL)
@example((), "", ALL)
def test_the_request_of_every_session_is_canonical_and_keeps_the_schema_and_the_rules(
    session: tuple[bytes, ...], tail: str, mask: Mask
) -> None:
    body = DIALECT.request(prompt(*head(), *session, tail=tail), mask, session="s").body
    asked = json.loads(body)
    assert encode(asked) == body
    assert violation(asked) == ""
    for content in (*asked["contents"], asked["systemInstruction"]):
        types.Content.model_validate(content)
    for tool in asked["tools"]:
        types.Tool.model_validate(tool)
    types.ToolConfig.model_validate(asked["toolConfig"])
    types.GenerationConfig.model_validate(asked["generationConfig"])


@settings(deadline=None)
@given(sessions, masks, masks)
def test_no_mask_changes_a_byte_of_what_the_model_reads(session: tuple[bytes, ...], one: Mask, other: Mask) -> None:
    body = prompt(*head(), *session)
    assert read_by_model(body, one) == read_by_model(body, other)


@settings(deadline=None)
@given(sessions, st.integers(0, 60))
def test_a_longer_body_begins_with_the_contents_of_a_shorter_one(session: tuple[bytes, ...], length: int) -> None:
    turns = [end for end in range(len(session) + 1) if not session[end:] or not session[end].startswith(b'{"call":')]
    short = sent(prompt(*head(), *session[: turns[length % len(turns)]]))["contents"]
    long = sent(prompt(*head(), *session))["contents"]
    latest = short[-1]["parts"]
    assert long[: len(short) - 1] == short[:-1]
    assert latest in (long[len(short) - 1]["parts"][: len(latest)], [{"text": "[notice] Go on."}])


def test_what_was_encoded_once_is_not_encoded_again() -> None:
    """The parts of a later request are the very objects of an earlier one."""
    from workhand.models.wire import gemini

    pieces = [said(f"{i}") for i in range(100)]
    sent(prompt(*head(), *pieces))
    before = gemini._block.cache_info().misses
    sent(prompt(*head(), *pieces, said("one more")))
    assert gemini._block.cache_info().misses == before + 1


def read_by_model(body: Prompt, mask: Mask) -> bytes:
    asked = sent(body, mask)
    return encode([asked["tools"], asked["systemInstruction"], asked["contents"]])


# -- what breaks a rule ----------------------------------------------------------------------------------------------


def good() -> Any:
    return sent(prompt(*BODY), only("file_read"))


def test_the_request_that_is_broken_below_keeps_every_rule() -> None:
    assert violation(good()) == ""


def user(*parts: Json) -> Json:
    return {"role": "user", "parts": list(parts)}


def model(*parts: Json) -> Json:
    return {"role": "model", "parts": list(parts)}


HI: dict[str, Json] = {"text": "Hi."}
SIGNED_CALL = signed(CALL)
RESPONSE: Json = {"functionResponse": {"id": "gemini-1", "name": "file_read", "response": {"output": ""}}}
OTHER_NAME: Json = {"functionResponse": {"id": "gemini-1", "name": "file_find", "response": {"output": ""}}}
OTHER_ID: Json = {"functionResponse": {"id": "gemini-2", "name": "file_read", "response": {"output": ""}}}
NO_ID: Json = {"functionResponse": {"name": "file_read", "response": {"output": ""}}}
CHANGED: Json = {
    "functionCall": {"args": {"path": "b"}, "id": "gemini-1", "name": "file_read"},
    "thoughtSignature": sign(CALL),
}

CONTENTS: dict[str, tuple[list[Json], str]] = {
    "nothing": ([], "contents is not specified"),
    "no role": ([{"parts": [HI]}], "valid role"),
    "another role": ([{"role": "assistant", "parts": [HI]}], "valid role"),
    "an unknown field of a content": ([{"role": "user", "parts": [HI], "name": "x"}], 'Unknown name "name"'),
    "no parts": ([user()], "must not be empty"),
    "a part of two kinds": ([user({"text": "a", "inlineData": {}})], "oneof field 'data'"),
    "a part of no kind": ([user({})], "oneof field 'data'"),
    "an empty text": ([user({"text": ""})], "oneof field 'data'"),
    "a text that is none": ([user({"text": 7})], "a string is wanted"),
    "an unknown field of a part": ([user({"text": "a", "cache_control": {}})], 'Unknown name "cache_control"'),
    "an unknown field of a call": (
        [user(HI), model({"functionCall": {"name": "a", "arguments": "{}"}})],
        'Unknown name "arguments"',
    ),
    "a call that is no object": ([user(HI), model({"functionCall": "file_read"})], "an object is wanted"),
    "a call without a name": ([user(HI), model({"functionCall": {"args": {}}})], "Name cannot be empty"),
    "arguments as text": ([user(HI), model({"functionCall": {"name": "a", "args": "{}"}})], "an object is wanted"),
    "an image that is not Base64": (
        [user({"inlineData": {"data": "?", "mimeType": "image/png"}})],
        "Base64 and a MIME type",
    ),
    "an image without a type": ([user({"inlineData": {"data": "aGk="}})], "Base64 and a MIME type"),
    "a call of the user": ([user(SIGNED_CALL)], "cannot send a functionCall"),
    "a response of the model": ([user(HI), model(RESPONSE)], "cannot send a functionResponse"),
    "a signature of the user": ([user(signed({"text": "a"}))], "only parts of the model"),
    "the model first": ([model(HI), user(HI)], "first content is from the user"),
    "the model last": ([user(HI), model(HI)], "ending with a model turn"),
    "the user twice": ([user(HI), user(HI)], "alternate"),
    "the model twice": ([user(HI), model(HI), model(HI), user(HI)], "alternate"),
    "text behind a response": ([user(HI), model(SIGNED_CALL), user(RESPONSE, HI)], "mixes function responses"),
    "text before a response": ([user(HI), model(SIGNED_CALL), user(HI, RESPONSE)], "mixes function responses"),
    "a response without a call": ([user(HI), model(HI), user(RESPONSE)], "immediately after a function call"),
    "a response at first": ([user(RESPONSE)], "immediately after a function call"),
    "a call without a response": ([user(HI), model(SIGNED_CALL), user(HI)], "number of function response parts"),
    "too many responses": ([user(HI), model(SIGNED_CALL), user(RESPONSE, RESPONSE)], "number of function response"),
    "another name": ([user(HI), model(SIGNED_CALL), user(OTHER_NAME)], "names and ids"),
    "another id": ([user(HI), model(SIGNED_CALL), user(OTHER_ID)], "names and ids"),
    "an id left out": ([user(HI), model(SIGNED_CALL), user(NO_ID)], "names and ids"),
    "no signature": ([user(HI), model(CALL), user(RESPONSE)], "missing a thought_signature"),
    "no signature on a later call": (
        [user(HI), model(SIGNED_CALL), user(RESPONSE), model(CALL), user(RESPONSE)],
        "missing a thought_signature in functionCall parts. Additional data, function call `default_api:file_read`, "
        "position 4",
    ),
    "a signature of nobody": ([user(HI), model(CALL | {"thoughtSignature": "c2lnbg=="}), user(RESPONSE)], "not valid"),
    "a changed call": (
        [user(HI), model(CHANGED), user(RESPONSE)],
        "not valid",
    ),
    "a changed text of an earlier turn": (
        [user(HI), model({"text": "Ho.", "thoughtSignature": sign(HI)}), user(HI)],
        "not valid",
    ),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_contents_that_break_a_rule_are_refused_with_its_name(name: str) -> None:
    contents, rule = CONTENTS[name]
    assert rule in violation(good() | {"contents": contents})


def test_a_call_of_an_earlier_turn_may_lack_its_signature() -> None:
    assert violation({"contents": [user(HI), model(CALL), user(RESPONSE), user(HI)]}) == ""


def setting(*path: str | int, to: Json) -> Callable[[Any], None]:
    def change(request: Any) -> None:
        *way, last = path
        for step in way:
            request = request[step]
        request[last] = to

    return change


CALLING = ("toolConfig", "functionCallingConfig")
DECLARED = ("tools", 0, "functionDeclarations")
OTHERS: dict[str, tuple[Callable[[Any], None], str]] = {
    "an unknown field": (setting("model", to="x"), 'Unknown name "model"'),
    "an instruction that is no content": (setting("systemInstruction", to="Be good."), "an object is wanted"),
    "an empty instruction": (setting("systemInstruction", to={"parts": []}), "must not be empty"),
    "names with AUTO": (setting(*CALLING, "mode", to="AUTO"), "mode is ANY or VALIDATED"),
    "names with NONE": (setting(*CALLING, "mode", to="NONE"), "mode is ANY or VALIDATED"),
    "another mode": (setting(*CALLING, "mode", to="required"), "functionCallingConfig.mode"),
    "an unknown field of the mask": (setting(*CALLING, "names", to=[]), 'Unknown name "names"'),
    "an undeclared name": (setting(*CALLING, "allowedFunctionNames", to=["x"]), "not in the function declarations"),
    "a mask without tools": (setting("tools", to=[]), "without function_declarations"),
    "a name with a space": (setting(*DECLARED, 0, "name", to="a b"), "Invalid function name"),
    "a name twice": (setting(*DECLARED, 0, "name", to="file_write"), "Duplicate function declaration"),
    "parameters that are no schema": (setting(*DECLARED, 0, "parametersJsonSchema", to="x"), "must be a schema"),
    "an unknown field of a tool": (setting(*DECLARED, 0, "strict", to=True), 'Unknown name "strict"'),
    "no tokens": (setting("generationConfig", "maxOutputTokens", to=0), "must be positive"),
    "an unknown setting": (setting("generationConfig", "max_tokens", to=1), 'Unknown name "max_tokens"'),
    "a schema without a type": (setting("generationConfig", "responseJsonSchema", to={}), "mime type"),
    "JSON and a call": (setting("generationConfig", "responseMimeType", to="application/json"), "is unsupported"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_request_that_breaks_a_rule_is_refused_with_its_name(name: str) -> None:
    change, rule = OTHERS[name]
    request = good()
    change(request)
    assert rule in violation(request)


def test_a_request_that_is_no_object_is_refused() -> None:
    assert "an object is wanted" in violation(["contents"])


# -- the way back ----------------------------------------------------------------------------------------------------

USAGE = {
    "promptTokenCount": 100,
    "cachedContentTokenCount": 60,
    "candidatesTokenCount": 7,
    "thoughtsTokenCount": 5,
    "toolUsePromptTokenCount": 3,
}


def candidate(*parts: Json, finish: str = "", **more: Json) -> dict[str, Any]:
    content: dict[str, Json] = {"content": {"parts": list(parts), "role": "model"}, **more}
    return {"candidates": [content | ({"finishReason": finish} if finish else {})]}


def streamed(*chunks: object, mask: Mask = FREE) -> ModelAnswered:
    reading = DIALECT.reading(PROMPT, mask)
    for chunk in chunks:
        reading.feed(f"data: {json.dumps(chunk)}")
        reading.feed("")
    return reading.answer()


def whole(chunk: object) -> ModelAnswered:
    reading = DIALECT.reading(PROMPT, FREE)
    reading.whole(json.dumps(chunk).encode())
    return reading.answer()


def test_an_answer_is_the_same_streamed_and_whole() -> None:
    call = signed(CALL)
    thought: Json = {"text": "Hm, well.", "thought": True}
    apart = streamed(
        candidate({"text": "Hm, ", "thought": True}) | {"usageMetadata": {"promptTokenCount": 100}},
        candidate({"text": "well.", "thought": True}),
        candidate({"text": "Let me "}),
        candidate({"text": "look."}),
        candidate(call) | {"usageMetadata": USAGE},
        candidate({"text": ""}, finish="STOP") | {"usageMetadata": {"promptTokenCount": 100}},
    )
    assert apart == whole(candidate(thought, {"text": "Let me look."}, call, finish="STOP") | {"usageMetadata": USAGE})
    assert (apart.text, apart.calls) == ("Let me look.", (ToolCall("", "file_read", '{"path":"a.txt"}'),))
    assert apart.usage == Usage(103, 60, 0, 12, 5)
    assert apart.model == "google:gemini-test"
    assert json.loads(apart.opaque or "") == {"google": [thought, {"text": "Let me look."}, call]}


def test_text_alone_is_not_kept_twice() -> None:
    assert streamed(candidate({"text": "Hel"}), candidate({"text": "lo"}, finish="STOP")).opaque is None


def test_a_signed_part_is_never_joined_with_another() -> None:
    parts: list[Json] = [{"text": "Hel"}, signed({"text": "lo"}), signed({"text": " you"}), {"text": "!"}]
    answer = streamed(*map(candidate, parts), candidate(signed({"text": ""}), finish="STOP"))
    assert answer.text == "Hello you!"
    assert json.loads(answer.opaque or "") == {"google": [*parts, signed({"text": ""})]}


def test_only_the_first_call_is_kept() -> None:
    other: Json = {"functionCall": {"args": {}, "name": "file_find"}}
    answer = streamed(candidate(SIGNED_CALL, other), candidate(other, finish="STOP"))
    assert (answer.calls, answer.dropped_calls) == ((ToolCall("", "file_read", '{"path":"a.txt"}'),), 2)
    assert json.loads(answer.opaque or "") == {"google": [SIGNED_CALL]}


def test_what_has_no_canonical_form_is_mended() -> None:
    answer = streamed(candidate({"functionCall": {"name": "a", "args": {"\ud83d": math.nan}}}, finish="STOP"))
    assert answer.calls == (ToolCall("", "a", '{"�":null}'),)
    assert answer.opaque == '{"google":[{"functionCall":{"args":{"�":null},"name":"a"}}]}'


def test_words_and_calls_are_shown_while_they_arrive_and_thoughts_are_not() -> None:
    reading = DIALECT.reading(PROMPT, FREE)
    chunks = (candidate({"text": "Hm.", "thought": True}), candidate({"text": "Hi "}, {"text": "you"}), candidate(CALL))
    assert not reading.begun
    shown = [reading.feed(f"data: {json.dumps(chunk)}") for chunk in chunks]
    assert shown == [None, Delta("text", "Hi you"), Delta("call", 'file_read{"path": "a.txt"}')]
    assert reading.begun


WORD: Json = {"text": "Hi."}
BAD_ENDS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    **{
        reason: (candidate(WORD, finish=reason), ModelRefused, reason)
        for reason in ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY")
    },
    **{
        reason: (candidate(finish=reason), MalformedAnswer, reason)
        for reason in ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "OTHER", "NEW_ONE")
    },
    "no signature": (candidate(finish="MISSING_THOUGHT_SIGNATURE"), ModelRefused, "MISSING_THOUGHT_SIGNATURE"),
    "with a message": (candidate(finish="MALFORMED_FUNCTION_CALL", finishMessage="oops"), MalformedAnswer, "oops"),
    "a blocked prompt": ({"promptFeedback": {"blockReason": "SAFETY"}}, ModelRefused, "SAFETY"),
    "no end": (candidate(WORD), MalformedAnswer, "broke off"),
    "nothing": ({}, ModelUnavailable, "before any answer"),
    "no words": (candidate(finish="STOP"), MalformedAnswer, "neither"),
    "only thoughts": (candidate({"text": "Hm.", "thought": True}, finish="STOP"), MalformedAnswer, "neither"),
    "a call cut off": (candidate(CALL, finish="MAX_TOKENS"), MalformedAnswer, "cut off"),
    "an error": ({"error": {"code": 503, "message": "overloaded"}}, ModelUnavailable, "overloaded"),
}


@pytest.mark.parametrize("name", BAD_ENDS)
def test_every_other_end_says_who_has_to_react(name: str) -> None:
    chunk, kind, words = BAD_ENDS[name]
    with pytest.raises(kind, match=words):
        streamed(chunk)


def test_words_that_were_cut_off_are_an_answer_unless_a_call_was_due() -> None:
    cut = candidate(WORD, finish="MAX_TOKENS")
    assert streamed(cut).text == "Hi."
    with pytest.raises(MalformedAnswer, match="cut off"):
        streamed(cut, mask=ALL)


def error(code: int, message: str, status: str, **detail: str) -> bytes:
    details = [{"@type": "type.googleapis.com/google.rpc.Help"}, detail]
    return json.dumps([{"error": {"code": code, "message": message, "status": status, "details": details}}]).encode()


@pytest.mark.parametrize(
    ("delay", "header_s", "wait_s"),
    [("37s", None, 37.0), ("1.250000000s", None, 1.25), ("37s", 2.0, 2.0), ("soon", None, None), ("-1s", None, None)],
)
def test_the_delay_in_the_body_counts_where_no_header_gives_one(
    delay: str, header_s: float | None, wait_s: float | None
) -> None:
    body = error(429, "You exceeded your current quota.", "RESOURCE_EXHAUSTED", retryDelay=delay)
    failed = failure(429, body, SERVER, retry_after_s=header_s)
    assert isinstance(failed, ModelUnavailable)
    assert failed.retry_after_s == wait_s


def test_a_prompt_that_is_too_long_says_both_lengths() -> None:
    message = "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576)."
    failed = failure(400, error(400, message, "INVALID_ARGUMENT"), SERVER)
    assert isinstance(failed, ContextOverflow)
    assert (failed.prompt_tokens, failed.window_tokens) == (1_048_577, 1_048_576)


def test_a_wrong_key_is_a_setting_although_its_status_is_that_of_a_bad_request() -> None:
    body = error(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", reason="API_KEY_INVALID")
    assert isinstance(failure(400, body, SERVER), ConfigError)


@pytest.mark.parametrize(("facts", "window"), [(({"inputTokenLimit": 32_768},), 32_768), ((None,), None)])
def test_the_window_is_what_the_model_says_of_itself(facts: tuple[Json, ...], window: int | None) -> None:
    assert DIALECT.describes == ("/models/gemini-test",)
    assert DIALECT.window(facts) == window
    assert (DIALECT.asks, DIALECT.told(())) == ((), DIALECT)
