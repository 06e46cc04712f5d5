"""The bytes of Messages requests: golden, valid, cached as far as they can be, and the same under every mask."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from anthropic.types.beta.message_create_params import MessageCreateParamsStreaming as BetaParams
from anthropic.types.message_create_params import MessageCreateParamsStreaming as Params
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.params import problem
from tests.models.toolset import ALL, NAMES, answered, head, only, prompt, returned, said, tool
from workhand.core.canonical import Json, encode
from workhand.core.mask import Mask
from workhand.core.prompt import Prompt
from workhand.models.wire.anthropic import Anthropic
from workhand.models.wire.dialect import Server

GOLDEN = Path(__file__).parent / "golden" / "anthropic.json"
DIALECT = Anthropic(Server("anthropic", "http://127.0.0.1:1", "claude-opus-5-5"))
MODELS = ("claude-opus-5-5", "claude-opus-4-8", "any-other")
MEDIA: list[Json] = [{"base64": "aGk=", "type": "image/png"}, {"base64": "aGk=", "type": "application/pdf"}]
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "s1"}
CALL = {"arguments": '{"path":"a.txt"}', "id": "c1", "tool": "file_read"}

masks = st.builds(
    lambda mode, names: Mask(mode, tuple(sorted(names))),
    st.sampled_from(["auto", "required", "specified"]),
    st.sets(st.sampled_from(NAMES)),
)


def message(*content: object, stop: str = "tool_use", id: str = "msg_1") -> bytes:
    """Give the body of an answer."""
    usage = {"input_tokens": 10, "output_tokens": 5}
    block = {"type": "message", "role": "assistant", "id": id, "content": content, "stop_reason": stop, "usage": usage}
    return json.dumps(block).encode()


def echoed(body: tuple[bytes, ...], call_id: str, *content: object, tail: str = "", id: str = "msg_1") -> bytes:
    """Give the piece of an answer that was read from what a server sent for ``body``."""
    reading = DIALECT.reading(prompt(*body, tail=tail), ALL)
    reading.whole(message(*content, id=id))
    return answered(reading.answer(), call_id)


def asked(given: Prompt, mask: Mask = ALL, dialect: Anthropic = DIALECT) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(dialect.request(given, mask, session="s").body)
    return sent


def unmarked(value: Any) -> Any:
    match value:
        case dict():
            return {key: unmarked(each) for key, each in value.items() if key != "cache_control"}
        case list():
            return [unmarked(each) for each in value]
    return value


def blocks(sent: dict[str, Any]) -> list[tuple[str, Any]]:
    """Give all blocks of a request in order, each with its role, without marks."""
    return [(each["role"], unmarked(block)) for each in sent["messages"] for block in each["content"]]


# -- one request ----------------------------------------------------------------


def everything() -> Prompt:
    use = {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "file_read",
        "input": {"path": "a.txt"},
        "caller": {"type": "direct"},
    }
    body: tuple[bytes, ...] = (*head(), said("Read a.txt — all of it."), said("[notice] Ten minutes left."))
    body += (echoed(body, "c1", THOUGHT, {"type": "text", "text": "Looking."}, use),)
    body += (encode({"call": "c1", "media": MEDIA, "ok": False, "role": "tool", "text": "broken"}),)
    body += (encode({"media": MEDIA, "role": "user", "text": "Here it is."}),)
    body += (encode({"calls": [CALL | {"id": "c2"}], "opaque": '{"other":1}', "role": "assistant", "text": "Again."}),)
    body += (returned("c2", "line 1\nline 2"),)
    return Prompt(body, "Goal: read a.txt.", (1, 4, 6, 8), 200)


def test_a_request_with_everything_is_the_golden_one() -> None:
    dialect = replace(DIALECT, long_lived=True, tool_changes=True, diagnostics=True)
    schema = '{"additionalProperties":false,"properties":{},"type":"object"}'
    request = dialect.request(everything(), only("file_read"), session="s", schema=schema)
    assert request.path == "/v1/messages"
    assert request.headers == (("anthropic-beta", "mid-conversation-tool-changes-2026-07-01"),)
    assert request.body == GOLDEN.read_bytes().rstrip(b"\n")
    assert problem(json.loads(request.body), BetaParams) == ""


def test_a_key_and_the_version_are_in_headers_of_their_own() -> None:
    dialect = replace(DIALECT, server=replace(DIALECT.server, api_key="sk-1"))
    assert dialect.auth == (("anthropic-version", "2023-06-01"), ("x-api-key", "sk-1"))
    assert b"sk-1" not in dialect.request(everything(), ALL, session="s").body


def test_without_tools_there_is_no_choice_and_without_words_the_mark_is_on_the_last_tool() -> None:
    bare = asked(prompt(*head(tools=()), said("Hi.")))
    assert "tools" not in bare and "tool_choice" not in bare
    assert bare["system"][0]["cache_control"] == {"type": "ephemeral"}
    silent = asked(prompt(*head(system=" ", tools=(tool("file_read", "Read."),)), said("Hi.")))
    assert "system" not in silent
    assert silent["tools"][-1]["cache_control"] == {"type": "ephemeral"}


def test_a_whole_answer_is_asked_for_without_a_stream() -> None:
    assert "stream" not in asked(
        prompt(*head(), said("Hi.")), ALL, replace(DIALECT, server=Server("anthropic", "", "m", stream=False))
    )


def test_of_more_than_four_breakpoints_the_head_and_the_last_three_are_marked() -> None:
    given = replace(prompt(*head(), *(said(f"{number}") for number in range(6))), breakpoints=(1, 2, 3, 4, 5, 6, 7))
    [user] = asked(given)["messages"]
    assert [block["text"] for block in user["content"] if "cache_control" in block] == ["3", "4", "5"]
    assert "cache_control" in asked(given)["system"][0]


def test_a_thought_at_the_end_of_an_answer_is_not_marked() -> None:
    body: tuple[bytes, ...] = (*head(), said("Go."))
    body += (echoed(body, "", {"type": "text", "text": "So."}, THOUGHT),)
    [text, thought] = asked(prompt(*body))["messages"][-1]["content"]
    assert ("cache_control" in text, thought) == (True, THOUGHT)


# -- echoes ---------------------------------------------------------------------


def test_a_result_goes_with_the_id_that_the_provider_gave_its_call() -> None:
    body: tuple[bytes, ...] = (*head(), said("Go."))
    body += (echoed(body, "c1", {"type": "tool_use", "id": "toolu_1", "name": "file_read", "input": {"path": "é"}}),)
    sent = asked(prompt(*body, returned("c1", "text")))
    [use], [result] = (each["content"] for each in sent["messages"][1:])
    assert (use["id"], use["input"], result["tool_use_id"]) == ("toolu_1", {"path": "é"}, "toolu_1")


@pytest.mark.parametrize("id", ["", "not/safe", "x" * 65, 7, None])
def test_an_id_that_cannot_be_sent_again_is_replaced_by_ours(id: object) -> None:
    body: tuple[bytes, ...] = (*head(), said("Go."))
    body += (echoed(body, "c1", {"type": "tool_use", "id": id, "name": "file_read", "input": {}}), returned("c1", "a"))
    ids = [block.get("id") or block.get("tool_use_id") for _, block in blocks(asked(prompt(*body)))[1:]]
    assert ids == ["c1", "c1"]


def test_an_id_that_was_used_before_is_replaced_by_ours() -> None:
    body: tuple[bytes, ...] = (*head(), said("Go."))
    for call in ("c1", "c2"):
        use = {"type": "tool_use", "id": "call_0", "name": "file_read", "input": {}}
        body += (echoed(body, call, use), returned(call, "text"))
    ids = [block.get("id") or block.get("tool_use_id") for _, block in blocks(asked(prompt(*body)))[1:]]
    assert ids == ["call_0", "call_0", "c2", "c2"]


def test_only_the_first_call_of_an_answer_is_echoed_and_what_follows_it_is_not() -> None:
    uses = [{"type": "tool_use", "id": f"toolu_{i}", "name": "file_read", "input": {}} for i in range(2)]
    body: tuple[bytes, ...] = (*head(), said("Go."))
    body += (
        echoed(body, "c1", THOUGHT, uses[0], THOUGHT, uses[1], {"type": "text", "text": "Both."}),
        returned("c1", "a"),
    )
    assert [block["type"] for _, block in blocks(asked(prompt(*body)))] == [
        "text",
        "thinking",
        "tool_use",
        "tool_result",
    ]


@pytest.mark.parametrize("opaque", [None, '{"other":1}', "{", '{"anthropic":7}', '{"anthropic":{"content":[]}}'])
def test_an_answer_without_an_echo_is_written_from_its_text_and_call(opaque: str | None) -> None:
    answer: dict[str, object] = {"calls": [CALL], "role": "assistant", "text": "Looking."}
    piece = encode(answer if opaque is None else answer | {"opaque": opaque})
    sent = blocks(asked(prompt(*head(), said("Go."), piece, returned("c1", "a"))))
    assert sent[1:3] == [
        ("assistant", {"type": "text", "text": "Looking."}),
        ("assistant", {"type": "tool_use", "id": "c1", "name": "file_read", "input": {"path": "a.txt"}}),
    ]


def test_a_list_of_blocks_that_an_earlier_format_kept_is_an_echo() -> None:
    kept = [THOUGHT, {"type": "tool_use", "id": "toolu_1", "name": "file_read", "input": {"path": "a.txt"}}]
    opaque = encode({"anthropic": kept}).decode()
    piece = encode({"calls": [CALL], "opaque": opaque, "role": "assistant", "text": ""})
    old = replace(DIALECT, server=replace(DIALECT.server, model="claude-opus-4-8"))
    sent = blocks(asked(prompt(*head(), said("Go."), piece, returned("c1", "a")), dialect=old))
    assert [block for _, block in sent[1:3]] == kept


CHECKED = {
    "claude-opus-5-5": True,
    "claude-haiku-5-5": True,
    "claude-fable-5-1": True,
    "anthropic.claude-opus-5-5": True,
    "claude-opus-6": True,
    "claude-mythos-5-1": False,
    "claude-opus-5": False,
    "claude-sonnet-5-20260701": False,
    "us.anthropic.claude-opus-4-7-v1:0": False,
    "claude-3-5-haiku": False,
    "glm-5.3": False,
}


@pytest.mark.parametrize("model", CHECKED)
def test_thoughts_behind_a_recital_that_is_gone_are_left_out_where_that_is_checked(model: str) -> None:
    body: tuple[bytes, ...] = (*head(), said("Go."))
    body += (echoed(body, "c1", THOUGHT, {"type": "text", "text": "So."}, tail="Goal: x."), said("Go on."))
    dialect = replace(DIALECT, server=replace(DIALECT.server, model=model))
    assert (("assistant", THOUGHT) in blocks(asked(prompt(*body), dialect=dialect))) is not CHECKED[model]


# -- what is not kept -----------------------------------------------------------


def test_the_recital_stands_behind_the_last_mark_in_the_message_of_the_user() -> None:
    sent = asked(prompt(*head(), said("Go."), tail="Goal: x."))
    assert [list(block) for block in sent["messages"][-1]["content"]] == [
        ["cache_control", "text", "type"],
        ["text", "type"],
    ]
    assert sent["messages"][-1]["content"][-1]["text"] == "[plan]\nGoal: x."
    noticed = asked(
        prompt(
            *head(), said("Go."), encode({"calls": [], "role": "assistant", "text": "Done."}), tail="[notice] Sum up."
        )
    )
    assert noticed["messages"][-1] == {"role": "user", "content": [{"type": "text", "text": "[notice] Sum up."}]}


def test_tools_outside_the_mask_are_withdrawn_in_a_last_message() -> None:
    dialect = replace(DIALECT, tool_changes=True)
    sent = asked(prompt(*head(), said("Go."), tail="Goal: x."), only(*NAMES[2:]), dialect)
    removals = [{"type": "tool_removal", "tool": {"type": "tool_reference", "name": name}} for name in NAMES[:2]]
    assert sent["messages"][-1] == {"role": "system", "content": removals}
    assert [each["role"] for each in asked(prompt(*head(), said("Go.")), ALL, dialect)["messages"]] == ["user"]


def test_the_latest_message_of_the_provider_is_what_a_missing_cache_is_compared_with() -> None:
    dialect = replace(DIALECT, diagnostics=True)
    body: tuple[bytes, ...] = (*head(), said("Go."))
    assert asked(prompt(*body), dialect=dialect)["diagnostics"] == {"previous_message_id": None}
    for id in ("msg_1", "msg_2"):
        body += (echoed(body, "", {"type": "text", "text": "So."}, id=id), said("Go on."))
    body += (encode({"calls": [], "role": "assistant", "text": "Of another model."}), said("Go on."))
    assert asked(prompt(*body), dialect=dialect)["diagnostics"] == {"previous_message_id": "msg_2"}


# -- sessions -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One answer, and what comes after it."""

    text: str
    calls: bool
    thinks: bool
    by: str  # who wrote it
    result: str
    ok: bool
    then: tuple[str, ...]
    media: bool
    tail: str
    reduced: bool  # the first result is shortened before this request


@dataclass(slots=True)
class Session:
    """What pieces there are, and what the server was asked before each of its thoughts."""

    body: list[bytes]
    before: dict[str, list[tuple[str, Any]]] = field(default_factory=dict)

    def take(self, number: int, step: Step) -> None:
        if step.reduced:
            at = next((i for i, piece in enumerate(self.body) if piece.startswith(b'{"call":')), 2)
            self.body[at] = returned(json.loads(self.body[at]).get("call"), "short") if at > 2 else self.body[at]
        given = prompt(*self.body, tail=step.tail)
        self.before[f"s{number}"] = blocks(asked(given))
        self.body.append(self.answer(number, step, given))
        if step.calls:
            block: dict[str, object] = {"call": f"c{number}", "ok": step.ok, "role": "tool", "text": step.result}
            self.body.append(encode(block | {"media": MEDIA} if step.media else block))
        self.body += [said(text) for text in step.then]

    def answer(self, number: int, step: Step, given: Prompt) -> bytes:
        text = step.text if step.text.strip() or step.calls else "So."
        use = {"type": "tool_use", "id": f"toolu_{number}", "name": "file_read", "input": {"path": step.text}}
        thought = THOUGHT | {"signature": f"s{number}"}
        content = [*([thought] if step.thinks else []), {"type": "text", "text": text}, *([use] if step.calls else [])]
        reading = DIALECT.reading(given, ALL)
        reading.whole(message(*content, id=f"msg_{number}"))
        answer = reading.answer()
        if step.by != "anthropic":
            answer = replace(answer, opaque=None if step.by == "nobody" else '{"other":{}}')
        return answered(answer, f"c{number}")


words = st.one_of(
    st.sampled_from(["", " \n", "Go on.", "𝄞 é\u2028"]), st.text(st.characters(codec="utf-8"), max_size=30)
)
steps = st.builds(
    Step,
    text=words,
    calls=st.booleans(),
    thinks=st.booleans(),
    by=st.sampled_from(["anthropic", "anthropic", "nobody", "other"]),
    result=st.one_of(words, st.sampled_from(["x" * 1_000_000, "line\n" * 100])),
    ok=st.booleans(),
    then=st.lists(words, max_size=2).map(tuple),
    media=st.booleans(),
    tail=st.sampled_from(["", "", "Goal: x.", "[notice] Sum up."]),
    reduced=st.sampled_from([False, False, False, True]),
)


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    session = Session([*head(), said("Begin.")])
    for number, step in enumerate(draw(st.lists(steps, max_size=20))):
        session.take(number, step)
    return session


quick = settings(max_examples=60, deadline=None)
dialects = st.builds(
    lambda model, changes, long: replace(
        DIALECT, server=replace(DIALECT.server, model=model), tool_changes=changes, diagnostics=changes, long_lived=long
    ),
    st.sampled_from(MODELS),
    st.booleans(),
    st.booleans(),
)
marks = st.lists(st.integers(0, 12), max_size=7, unique=True).map(sorted)


@quick
@given(sessions(), dialects, masks, st.sampled_from(["", "Goal: x."]), marks)
def test_a_request_is_valid_and_canonical(
    session: Session, dialect: Anthropic, mask: Mask, tail: str, marked: list[int]
) -> None:
    given = replace(prompt(*session.body, tail=tail), breakpoints=tuple(marked))
    body = dialect.request(given, mask, session="s").body
    sent = json.loads(body)
    assert encode(sent) == body
    assert problem(sent, BetaParams if dialect.tool_changes else Params) == ""


@quick
@given(sessions(), dialects, masks, st.sampled_from(["", "Goal: x."]))
def test_roles_alternate_and_each_call_is_followed_by_its_result(
    session: Session, dialect: Anthropic, mask: Mask, tail: str
) -> None:
    messages = asked(prompt(*session.body, tail=tail), mask, dialect)["messages"]
    roles = [each["role"] for each in messages if each["role"] != "system"]
    assert roles == (["user", "assistant"] * len(roles))[: len(roles)]
    assert all(each["role"] != "system" for each in messages[:-1])
    assert roles[-1] == "user" or messages[-1]["role"] == "assistant"  # where withdrawing tools would be refused
    used: list[str] = []
    for each in messages:
        results = [block.get("tool_use_id") for block in each["content"] if block["type"] == "tool_result"]
        assert results == used
        assert [block["type"] for block in each["content"][: len(results)]] == ["tool_result"] * len(results)
        used = [block["id"] for block in each["content"] if block["type"] == "tool_use"]
    assert used == []


@quick
@given(sessions(), dialects, marks)
def test_at_most_four_blocks_are_marked_and_only_such_as_can_be(
    session: Session, dialect: Anthropic, marked: list[int]
) -> None:
    given = replace(prompt(*session.body, tail="Goal: x."), breakpoints=tuple(marked))
    sent = asked(given, ALL, dialect)
    every = [*sent["tools"], *sent["system"], *(block for each in sent["messages"] for block in each["content"])]
    at = [index for index, block in enumerate(every) if "cache_control" in block]
    assert len(at) <= 4 and len(every) - 1 not in at
    assert all(every[index].get("type") not in ("thinking", "redacted_thinking") for index in at)
    assert {every[index]["cache_control"].get("ttl") for index in at} <= {"1h" if dialect.long_lived else None}
    assert all(each["content"] for each in sent["messages"])
    assert all(block["text"].strip() for block in every if block.get("type") == "text")


@quick
@given(sessions(), dialects, masks, masks)
def test_no_mask_changes_what_can_be_cached(session: Session, dialect: Anthropic, one: Mask, other: Mask) -> None:
    first, second = (asked(prompt(*session.body), mask, dialect) for mask in (one, other))
    for sent in (first, second):
        sent["messages"] = [each for each in sent["messages"] if each["role"] != "system"]
    assert encode(first) == encode(second)


@quick
@given(sessions(), dialects, st.data())
def test_a_longer_body_begins_with_the_blocks_of_a_shorter_one(
    session: Session, dialect: Anthropic, data: st.DataObject
) -> None:
    length = data.draw(st.integers(3, len(session.body)))
    short, long = (blocks(asked(prompt(*body), ALL, dialect)) for body in (session.body[:length], session.body))
    assert [block for block in long if block[0] != "system"][: len(short)] == short


@quick
@given(sessions())
def test_a_thought_is_echoed_only_behind_the_very_blocks_that_it_was_thought_behind(session: Session) -> None:
    sent = blocks(asked(prompt(*session.body)))
    for at, (_, block) in enumerate(sent):
        if block["type"] == "thinking":
            asked_for = session.before[block["signature"]]
            assert [each for each in sent[:at] if each[1]["type"] != "thinking"] == [
                each for each in asked_for if each[1]["type"] != "thinking"
            ]
