"""What holds for the messages of every API: requests only grow, lists are recognised, edits are noticed."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.context.forms import FORMS, Form, Message
from tests.context.plays import fresh, lines, summary_of
from workhand.context import Context, HistoryEdited, ToolCall, Usage, Window, anthropic, load, openai, responses
from workhand.core.events import HistorySummarized, ModelAnswered, ResultsCompacted, ToolReturned
from workhand.errors import ConfigError

SMALL = Window(hard=8_000, pre_rot=8_000, trigger=2_500)


@dataclass(frozen=True, slots=True)
class Step:
    """What one turn of the agent brings."""

    calls: int = 1  # none: words, and then the user speaks
    size: int = 10  # lines of each result
    same: bool = False  # results are equal to earlier ones
    same_ids: bool = False  # as some local servers number them
    long_arguments: bool = False
    plans: bool = False
    loaded: bool = False  # the process ended and began again before this step
    summarizes: bool = True


STEPS = st.lists(
    st.builds(
        Step,
        calls=st.sampled_from([0, 1, 1, 1, 2, 3]),
        size=st.sampled_from([0, 1, 15, 38, 400]),
        same=st.booleans(),
        same_ids=st.booleans(),
        long_arguments=st.sampled_from([False, False, True]),
        plans=st.sampled_from([False, False, False, True]),
        loaded=st.sampled_from([False, False, False, True]),
        summarizes=st.booleans(),
    ),
    min_size=3,
    max_size=14,
)


class Agent:
    """An agent that keeps its own list of messages, and what it sent."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.kept: dict[str, bytes] = {}
        self.context = fresh(window=SMALL)
        self.messages: list[Message] = form.user("Find it.")
        self.sent: list[tuple[list[bytes], bool]] = []  # each request, and whether a reduction came before it
        self.count = 0

    def step(self, step: Step) -> None:
        if step.loaded:
            self.context = load(self.context.save(), keep=self.context.originals, now=lambda: 1e6)
        self.form.record(self.context, self.messages)
        if step.plans:
            self.context.plan("the answer", ["look", "tell"], min(2, self.count))
        context = self.context
        reduced = context.reduce((lambda prompt, instruction: summary_of(context)) if step.summarizes else None)
        self.sent.append((self.form.bytes_of(context.prompt()), bool(reduced)))
        self.answer(step)

    def answer(self, step: Step) -> None:
        calls = []
        for index in range(step.calls):
            self.count += 1
            id = f"call_{index if step.same_ids else self.count}"
            query = "q" * (1_500 if step.long_arguments else 5)
            calls.append((id, "web_search", json.dumps({"query": query, "n": self.count})))
        self.messages += self.form.answer("So." if step.calls != 1 else "", tuple(calls))
        contents = [lines(step.size, "same" if step.same else f"result {id} {self.count}") for id, _, _ in calls]
        brought = tuple((id, content) for (id, _, _), content in zip(calls, contents, strict=True))
        self.messages += self.form.results(brought) if calls else self.form.user("Go on.")


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=40, deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_between_reductions_each_request_begins_with_all_of_the_one_before(name: str, steps: list[Step]) -> None:
    agent = Agent(FORMS[name])
    for step in steps:
        agent.step(step)

    for (before, _), (after, reduced) in zip(agent.sent, agent.sent[1:], strict=False):
        assert reduced or after[: len(before)] == before
    assert agent.context.breaks == ()


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=20, deadline=None, database=None, derandomize=True)
@given(steps=STEPS)
def test_every_call_is_followed_by_its_results_and_every_original_is_kept(name: str, steps: list[Step]) -> None:
    agent = Agent(FORMS[name])
    for step in steps:
        agent.step(step)
    agent.form.record(agent.context, agent.messages)

    asked = [call.id for event in agent.context.log.events if isinstance(event, ModelAnswered) for call in event.calls]
    events = [event for event in agent.context.log.events if isinstance(event, ToolReturned)]
    assert [event.call_id for event in events] == asked
    assert len(set(asked)) == len(asked)
    for event in events:
        original = agent.context.restore(event.call_id).decode()
        assert event.observation.form != "whole" or event.observation.full == original


def test_the_steps_that_are_drawn_reach_both_reductions() -> None:
    agent = Agent(FORMS["chat"])
    for _ in range(30):
        agent.step(Step(size=38, summarizes=len(agent.sent) > 15))

    assert ResultsCompacted in agent.context.log.last
    assert HistorySummarized in agent.context.log.last


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_only_what_is_new_is_recorded(form: Form) -> None:
    context = fresh()
    messages = form.user("Find it.")
    assert form.record(context, messages) == 1
    messages += form.answer("Let me see.", (("a", "web_search", '{"query": "x"}'), ("b", "web_search", "{}")))
    messages += form.results((("a", "one"), ("b", "two")))

    assert [form.record(context, messages), form.record(context, messages)] == [3, 0]
    assert form.record(load(context.save()), messages) == 0


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_list_that_was_edited_is_refused_with_the_place(form: Form) -> None:
    context = fresh()
    call = (("a", "web_search", '{"query":"x"}'),)
    messages = [*form.user("Find it."), *form.answer("", call), *form.results((("a", "one"),))]
    form.record(context, messages)
    before = context.log
    edits = {
        "Message 0": [*form.user("Find them."), *messages[1:]],
        "Message 1": [messages[0], *form.answer("", (("a", "web_search", '{"query":"y"}'),)), messages[-1]],
        f"Message {len(messages) - 1}": [*messages[:-1], *form.results((("a", "other"),))],
        "The messages end with the": messages[:-1],
    }

    for said, edited in edits.items():
        with pytest.raises(HistoryEdited, match=said):
            form.record(context, edited)
    assert context.log == before


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_part_that_is_no_text_is_refused_before_anything_is_recorded(form: Form) -> None:
    context = fresh()
    picture = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}

    with pytest.raises(ConfigError, match="Message 1 has a part of type 'image_url'; a context keeps text"):
        form.record(context, [*form.user("Look."), picture])
    assert context.log.head == 1


def test_a_notice_of_the_harness_stands_beside_the_messages() -> None:
    context = fresh()
    messages = FORMS["chat"].user("Find it.")
    openai.record_messages(context, messages)
    context.notice("Ten minutes left.")
    messages += [{"role": "assistant", "content": "Yes."}, {"role": "system", "content": "Stop soon."}]

    assert [openai.record_messages(context, messages), openai.record_messages(context, messages)] == [2, 0]
    assert [json.loads(piece)["text"] for piece in context.prompt().body[2:]] == [
        "Find it.",
        "[notice] Ten minutes left.",
        "Yes.",
        "[notice] Stop soon.",
    ]


def test_another_system_prompt_is_refused() -> None:
    context = fresh()
    openai.record_messages(context, [{"role": "system", "content": "You look things up."}])

    with pytest.raises(HistoryEdited, match="The system prompt begins with 'It is 12:01'"):
        openai.record_messages(context, [{"role": "system", "content": "It is 12:01"}])
    with pytest.raises(HistoryEdited, match="The system prompt"):
        anthropic.record_messages(context, [], system="It is 12:01")
    with pytest.raises(HistoryEdited, match="The system prompt"):
        responses.record_items(context, [{"role": "developer", "content": "It is 12:01"}])


def test_a_result_without_a_call_is_refused() -> None:
    with pytest.raises(ConfigError, match="A result is for the call 'a', and no message before it makes that call"):
        openai.record_messages(fresh(), [{"role": "tool", "tool_call_id": "a", "content": "found"}])


def test_a_mask_is_told_beside_the_prompt() -> None:
    context = fresh()
    context.user("Find it.")
    prompt = context.prompt()

    free, bound = openai.request(prompt), openai.request(prompt, context.mask("web_"))

    assert "tool_choice" not in free
    assert bound == free | {"tool_choice": {"type": "function", "function": {"name": "web_search"}}}
    assert openai.request(prompt, context.mask("web_", "file_"))["tool_choice"] == "required"


def test_at_most_four_blocks_are_marked_and_they_are_the_breakpoints_of_the_prompt() -> None:
    agent = Agent(FORMS["anthropic"])
    marks = []
    for calls in (1, 1, 20, 1, 1, 1, 3, 1, 1, 20, 1):
        agent.step(Step(calls=calls, size=15))
        agent.form.record(agent.context, agent.messages)
        asked = anthropic.request(agent.context.prompt())
        marks.append(json.dumps(asked).count('"cache_control"'))
        assert asked["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}
        assert asked["system"][-1]["cache_control"] == {"type": "ephemeral"}

    assert max(marks) == 4
    assert min(marks) >= 2


def test_thinking_is_shown_again_in_its_place_and_results_of_one_answer_stand_together() -> None:
    form = FORMS["anthropic"]
    context = fresh()
    messages = form.user("Find it.")
    messages += form.answer("Two at once.", (("a", "web_search", "{}"), ("b", "web_search", "{}")))
    messages += form.results((("a", "one"), ("b", "two")))
    messages[-1]["content"][1]["is_error"] = True
    messages[-1]["content"].append({"type": "text", "text": "Quick."})
    anthropic.record_messages(context, messages)

    _, answer, after = anthropic.request(context.prompt())["messages"]
    *results, said = after["content"]

    assert [block["type"] for block in answer["content"]] == ["thinking", "text", "tool_use", "tool_use"]
    assert [(block["tool_use_id"], block.get("is_error")) for block in results] == [("a", None), ("b", True)]
    assert said["text"] == "Quick."


def test_reasoning_is_shown_again_item_by_item_with_the_ids_on_record() -> None:
    made: list[Message] = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "e"},
        {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "So."}]},
        {"type": "function_call", "id": "fc_1", "call_id": "not/safe", "name": "web_search", "arguments": "{}"},
    ]
    output = {"type": "function_call_output", "call_id": "not/safe", "output": "found"}
    context = fresh()
    responses.record_items(context, [{"role": "user", "content": "Find it."}, *made, output])

    shown = responses.items(context.prompt())[1:]

    assert shown[:3] == [*made[:2], made[2] | {"call_id": "c2"}]
    assert shown[3]["call_id"] == "c2"


def test_the_recital_is_the_last_message_and_none_of_those_that_are_kept() -> None:
    context = fresh()
    context.user("Find it.")
    context.plan("the answer", ["look", "tell"])
    prompt = context.prompt()

    assert openai.messages(prompt)[-1] == {"role": "system", "content": prompt.tail}
    assert openai.request(prompt, tail_role="user")["messages"][-1] == {
        "role": "user",
        "content": f"[plan]\n{prompt.tail}",
    }
    [said] = anthropic.request(prompt)["messages"]
    assert said["content"][1:] == [{"type": "text", "text": f"[plan]\n{prompt.tail}"}]
    assert responses.items(prompt)[-1] == {"role": "developer", "content": prompt.tail}


def test_what_the_server_thought_is_given_back_to_it() -> None:
    context = fresh()
    answer = {"role": "assistant", "content": "Yes.", "reasoning_content": "hm"}
    openai.record_messages(context, [{"role": "user", "content": "Find it."}, answer])

    assert openai.messages(context.prompt())[-1] == answer


def test_usage_is_read_with_the_cache_included() -> None:
    chat = {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 60}}
    used = {"input_tokens": 30, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 10, "output_tokens": 10}
    items = {"input_tokens": 100, "output_tokens": 10, "input_tokens_details": {"cached_tokens": 60}}

    assert openai.usage_of(chat) == responses.usage_of(items) == Usage(100, 60, 0, 10)
    assert anthropic.usage_of(used) == Usage(100, 60, 10, 10)


def test_the_usage_of_the_latest_answer_calibrates_the_sizes() -> None:
    context: Context = fresh()
    context.user("Find it.")
    context.prompt()
    messages = [{"role": "user", "content": "Find it."}, {"role": "assistant", "content": "Yes."}]

    openai.record_messages(context, messages, usage=Usage(input_tokens=1_000), model="m")
    openai.record_messages(context, messages, usage=Usage(input_tokens=5), model="m")

    assert context.usage.input_tokens == 1_000
    assert context.tokens >= 1_000


def test_calls_made_directly_and_in_messages_are_the_same_log() -> None:
    by_hand, by_list = fresh(), fresh()
    by_hand.user("Find it.")
    by_hand.answer("", (ToolCall("a", "web_search", '{"query":"x"}'),))
    by_hand.result("a", lines(500))
    form = FORMS["chat"]
    messages = form.user("Find it.") + form.answer("", (("a", "web_search", '{ "query": "x" }'),))

    openai.record_messages(by_list, messages + form.results((("a", lines(500)),)))

    assert by_list.log.events == by_hand.log.events
