"""A real LangChain agent against a scripted server: what it sends is the context's, what it keeps is its own."""

from __future__ import annotations

import json
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.context.chat_server import SUMMARY, TOO_LONG, Script, calls, serving
from tests.context.plays import lines
from workhand.context import Window, begin
from workhand.core.events import HistorySummarized, ResultsCompacted
from workhand.errors import HistoryEdited

agents = pytest.importorskip("langchain.agents", reason="langchain is not installed: an extra that is not pinned")
clients = pytest.importorskip(
    "langchain_openai", reason="langchain-openai is not installed: the client that these tests use"
)
messages = pytest.importorskip("langchain_core.messages")
checkpoints = pytest.importorskip("langgraph.checkpoint.memory")

SMALL = Window(hard=8_000, pre_rot=8_000, trigger=4_000)
DONE = {"content": "Done."}


def listing(number: int, count: int) -> str:
    """List things."""
    return lines(count, f"listing {number}")


def write(path: str, text: str) -> str:
    """Write a file."""
    return f"wrote {path}"


def agent_of(url: str, middleware: Any, **options: Any) -> Any:
    model = clients.ChatOpenAI(base_url=url, api_key="none", model="scripted", max_retries=0)
    return agents.create_agent(model, [listing, write], system_prompt="You list.", middleware=[middleware], **options)


def middleware_of(**options: Any) -> Any:
    from workhand.context.langchain import ContextMiddleware

    return ContextMiddleware(**options)


def asked(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def many(count: int, size: int = 38) -> list[dict[str, Any]]:
    return [calls((f"call_{number}", "listing", {"number": number, "count": size})) for number in range(count)]


def test_requests_only_grow_and_a_large_result_is_sent_as_a_preview() -> None:
    script = Script(*many(1, 5_000), *many(3, 5), DONE)
    script.answers[1]["tool_calls"][0]["id"] = "call_9"
    middleware = middleware_of()

    with serving(script) as url:
        state = agent_of(url, middleware).invoke(asked("List all."))

    sent = script.messages()
    assert len(sent) == 5
    assert all(after[: len(before)] == before for before, after in pairwise(sent))
    assert max(map(len, sent[-1])) < 4_000
    assert b".workhand/results/call_0-listing.txt" in sent[-1][3]
    assert state["messages"][2].content == lines(5_000, "listing 0")  # the state keeps what the tool gave
    (context,) = middleware.contexts.values()
    assert context.restore("call_0").decode() == lines(5_000, "listing 0")
    assert context.breaks == ()
    assert [call.input_tokens for call in context.audit()] == [
        len(json.dumps(request["messages"])) // 4 for request in script.asked
    ]


def test_a_long_conversation_is_compacted_and_each_request_begins_with_the_one_before_but_then() -> None:
    script = Script(*many(25), DONE)
    middleware = middleware_of(make=partial(begin, window=SMALL), summaries=False)

    with serving(script) as url:
        agent_of(url, middleware).invoke(asked("List all."), {"recursion_limit": 100})

    (context,) = middleware.contexts.values()
    events = [event for event in context.log.events if isinstance(event, ResultsCompacted)]
    sent = script.messages()
    breaks = sum(after[: len(before)] != before for before, after in pairwise(sent))
    assert breaks == len(events) > 0
    assert b"[compacted]" in b"".join(sent[-1])
    assert script.asked_for_summary == []
    assert len({json.dumps(request["tools"]) for request in script.asked}) == 1


def test_a_summary_is_asked_for_on_the_messages_just_sent_and_stands_for_them() -> None:
    script = Script(*many(25), DONE)
    middleware = middleware_of(make=partial(begin, window=SMALL))

    with serving(script) as url:
        state = agent_of(url, middleware).invoke(asked("List all."), {"recursion_limit": 100})

    (context,) = middleware.contexts.values()
    assert len(state["messages"]) == 52
    assert len(script.asked_for_summary) == sum(isinstance(event, HistorySummarized) for event in context.log.events)
    answers, question = script.asked_for_summary[0]
    before = script.asked[answers - 1]
    assert question["messages"][: len(before["messages"])] == before["messages"]
    assert question["tools"] == before["tools"]
    assert json.loads(SUMMARY)["state"] in script.asked[-1]["messages"][1]["content"]
    assert context.breaks == ()


@pytest.mark.anyio
async def test_the_async_agent_sends_the_same_as_the_sync_one() -> None:
    sent = []
    for waits in (False, True):
        script = Script(*many(15), DONE)
        with serving(script) as url:
            agent = agent_of(url, middleware_of(make=partial(begin, window=SMALL)))
            config = {"recursion_limit": 100}
            await agent.ainvoke(asked("List."), config) if waits else agent.invoke(asked("List."), config)
        sent.append((script.messages(), len(script.asked_for_summary)))

    assert sent[0] == sent[1]
    assert sent[0][1] > 0


def test_a_conversation_goes_on_over_several_turns_beside_another_one() -> None:
    script = Script(*many(1, 5_000), DONE, *many(1, 5_000), DONE, DONE)
    middleware = middleware_of()
    one, two = ({"configurable": {"thread_id": id}} for id in "ab")

    with serving(script) as url:
        agent = agent_of(url, middleware, checkpointer=checkpoints.InMemorySaver())
        agent.invoke(asked("List one."), one)
        agent.invoke(asked("List two."), two)
        agent.invoke(asked("And now?"), one)

    sent = script.messages()
    assert sent[4][: len(sent[1])] == sent[1]
    assert len(middleware.contexts) == 2
    assert [context.usage.steps for context in middleware.contexts.values()] == [2, 3]


def test_an_original_is_read_back_through_the_one_tool_that_is_added(tmp_path: Path) -> None:
    path = ".workhand/results/call_0-listing.txt"
    script = Script(
        *many(1, 5_000), calls(("call_1", "original_read", {"path": path, "first": 4_000, "lines": 100})), DONE
    )
    middleware = middleware_of(make=partial(begin, keep=tmp_path))

    with serving(script) as url:
        agent_of(url, middleware).invoke(asked("List all."))

    assert [tool["function"]["name"] for tool in script.asked[0]["tools"]] == ["original_read", "listing", "write"]
    shown = script.asked[-1]["messages"][-1]["content"]
    assert shown.count("listing 0 40") == 99
    assert (tmp_path / path).read_text() == lines(5_000, "listing 0")


def test_an_agent_with_files_of_its_own_gets_no_tool() -> None:
    script = Script(DONE)

    with serving(script) as url:
        agent_of(url, middleware_of(files=True)).invoke(asked("List all."))

    assert [tool["function"]["name"] for tool in script.asked[0]["tools"]] == ["listing", "write"]


def test_long_arguments_are_compacted_and_a_copy_of_the_note_is_not_run() -> None:
    def written(number: int, text: str) -> dict[str, Any]:
        return calls((f"call_{number}", "write", {"path": f"f{number}", "text": text}))

    copied = "[compacted: 3,000 bytes, sha256 0; as written: x] xxx"
    script = Script(*(written(number, "x" * 3_000) for number in range(6)), written(6, copied), DONE)
    middleware = middleware_of(make=partial(begin, window=SMALL), summaries=False)

    with serving(script) as url:
        agent_of(url, middleware).invoke(asked("Write all."), {"recursion_limit": 100})

    last = script.asked[-1]["messages"]
    assert "[compacted: 3,000 bytes" in last[2]["tool_calls"][0]["function"]["arguments"]
    assert "Not run" in last[-1]["content"]


def test_a_request_that_does_not_fit_is_reduced_and_sent_again() -> None:
    script = Script(*many(6), {"content": TOO_LONG}, DONE)
    middleware = middleware_of(summaries=False)

    with serving(script) as url:
        state = agent_of(url, middleware).invoke(asked("List all."))

    (context,) = middleware.contexts.values()
    (event,) = (event for event in context.log.events if isinstance(event, ResultsCompacted))
    assert event.why == "overflow"
    assert state["messages"][-1].text == "Done."
    assert len(json.dumps(script.asked[-1])) < len(json.dumps(script.asked[-2]))


def test_ids_that_a_server_uses_again_are_its_own_in_what_it_is_sent() -> None:
    script = Script(*(calls(("call_0", "listing", {"number": number, "count": 5})) for number in range(3)), DONE)
    middleware = middleware_of()

    with serving(script) as url:
        agent_of(url, middleware).invoke(asked("List all."))

    (context,) = middleware.contexts.values()
    assert [message.get("tool_call_id") for message in script.asked[-1]["messages"][3::2]] == ["call_0"] * 3
    assert [call.id for event in context.log.events for call in getattr(event, "calls", ())] == ["call_0", "c4", "c6"]


def test_what_the_model_thought_is_sent_as_it_is_in_the_state() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    call = {"id": "a", "name": "listing", "args": {"number": 1, "count": 5}}
    answer = messages.AIMessage([thought, {"type": "text", "text": "So."}], tool_calls=[call])
    given = [messages.HumanMessage("List.", id="1"), answer, messages.ToolMessage("all of it", tool_call_id="a")]
    sent: list[Any] = []
    request = agents.middleware.ModelRequest(model=None, messages=given, system_prompt="You list.")

    middleware_of().wrap_model_call(request, sent.append)

    assert [type(message).__name__ for message in sent[0].messages] == ["HumanMessage", "AIMessage", "ToolMessage"]
    assert sent[0].messages[1] is answer
    assert sent[0].messages[2].text.endswith("\nall of it")


def test_a_state_that_was_edited_is_refused() -> None:
    script = Script(*many(1, 5), DONE, DONE)
    config = {"configurable": {"thread_id": "a"}}

    with serving(script) as url:
        agent = agent_of(url, middleware_of(), checkpointer=checkpoints.InMemorySaver())
        state = agent.invoke(asked("List all."), config)
        state["messages"][2].content = "other"
        agent.update_state(config, {"messages": [state["messages"][2]]})

        with pytest.raises(HistoryEdited, match="Message 2"):
            agent.invoke(asked("Again."), config)
