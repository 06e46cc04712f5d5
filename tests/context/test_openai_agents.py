"""A real agent of the OpenAI Agents SDK against a scripted server: what it sends is the context's."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from tests.context.chat_server import SUMMARY, Script, calls, serving
from tests.context.plays import lines
from workhand.context import Prompt, Window, begin, openai
from workhand.core.events import HistorySummarized, ResultsCompacted

agents = pytest.importorskip("agents", reason="openai-agents is not installed: an extra that is not pinned")
clients = pytest.importorskip("openai")

SMALL = Window(hard=8_000, pre_rot=8_000, trigger=4_000)
DONE = {"content": "Done."}


def many(count: int, size: int = 38) -> list[dict[str, Any]]:
    return [calls((f"call_{number}", "listing", {"number": number, "count": size})) for number in range(count)]


def client_of(url: str) -> Any:
    return clients.AsyncOpenAI(base_url=url, api_key="none", max_retries=0)


def summarizer(url: str) -> Callable[[Prompt, str], Awaitable[str]]:
    async def summarize(prompt: Prompt, instruction: str) -> str:
        async with client_of(url) as client:
            response = await client.chat.completions.create(model="scripted", messages=openai.messages(prompt))
        return str(response.choices[0].message.content)

    return summarize


async def run(
    url: str, chosen: Any, text: str, *, session: Any = None, model: str = "OpenAIChatCompletionsModel"
) -> Any:
    def listing(number: int, count: int) -> str:
        """List things."""
        return lines(count, f"listing {number}")

    async with client_of(url) as client:
        agent = agents.Agent(
            name="Lister",
            instructions="You list.",
            tools=[agents.function_tool(listing), chosen.tool()],
            model=getattr(agents, model)(model="scripted", openai_client=client),
        )
        config = agents.RunConfig(call_model_input_filter=chosen, tracing_disabled=True)
        return await agents.Runner.run(
            agent, text, hooks=chosen.hooks, run_config=config, session=session, max_turns=60
        )


def filter_of(**options: Any) -> Any:
    from workhand.context.openai_agents import InputFilter

    return InputFilter(**options)


@pytest.mark.anyio
async def test_requests_only_grow_and_a_large_result_is_sent_as_a_preview() -> None:
    script = Script(*many(1, 5_000), calls(("a", "listing", {"number": 1, "count": 5})), DONE)
    chosen = filter_of()

    with serving(script) as url:
        result = await run(url, chosen, "List all.")

    sent = script.messages()
    assert len(sent) == 3
    assert all(after[: len(before)] == before for before, after in pairwise(sent))
    assert max(map(len, sent[-1])) < 4_000
    assert result.final_output == "Done."
    context = chosen.contexts["Lister"]
    assert context.restore("call_0").decode() == lines(5_000, "listing 0")
    assert lines(5_000, "listing 0") in [item.get("output") for item in result.to_input_list()]
    assert context.usage.input_tokens == sum(len(json.dumps(r["messages"])) // 4 for r in script.asked[:2])


@pytest.mark.anyio
async def test_a_long_run_is_compacted_and_each_request_begins_with_the_one_before_but_then() -> None:
    script = Script(*many(25), DONE)
    chosen = filter_of(make=partial(begin, window=SMALL))

    with serving(script) as url:
        await run(url, chosen, "List all.")

    context = chosen.contexts["Lister"]
    sent = script.messages()
    events = [event for event in context.log.events if isinstance(event, ResultsCompacted)]
    assert sum(after[: len(before)] != before for before, after in pairwise(sent)) == len(events) > 0
    assert b"[compacted]" in b"".join(sent[-1])
    assert context.breaks == ()


@pytest.mark.anyio
async def test_a_summary_stands_for_what_was_sent_before() -> None:
    script = Script(*many(25), DONE)

    with serving(script) as url:
        chosen = filter_of(make=partial(begin, window=SMALL), summarize=summarizer(url))
        await run(url, chosen, "List all.")

    context = chosen.contexts["Lister"]
    summaries = [event for event in context.log.events if isinstance(event, HistorySummarized)]
    assert len(script.asked_for_summary) == len(summaries) > 0
    assert json.loads(SUMMARY)["state"] in script.asked[-1]["messages"][1]["content"]


@pytest.mark.anyio
async def test_a_session_goes_on_over_several_runs_and_keeps_its_items_whole() -> None:
    script = Script(*many(1, 5_000), DONE, DONE)
    chosen = filter_of()
    session = agents.SQLiteSession("one")

    with serving(script) as url:
        await run(url, chosen, "List all.", session=session)
        await run(url, chosen, "And now?", session=session)
    kept = await session.get_items()
    session.close()

    sent = script.messages()
    assert all(after[: len(before)] == before for before, after in pairwise(sent))
    assert lines(5_000, "listing 0") in [item.get("output") for item in kept]
    assert chosen.contexts["Lister"].breaks == ()


@pytest.mark.anyio
async def test_an_original_is_read_back_through_the_tool_of_the_filter() -> None:
    path = ".workhand/results/call_0-listing.txt"
    reading = calls(("a", "original_read", {"path": path, "first": 4_000, "lines": 100}))
    script = Script(*many(1, 5_000), reading, calls(("b", "original_read", {"path": "none"})), DONE)

    with serving(script) as url:
        await run(url, filter_of(), "List all.")

    assert script.asked[2]["messages"][-1]["content"].count("listing 0 40") == 99
    assert "Nothing is kept at 'none'" in script.asked[3]["messages"][-1]["content"]


@pytest.mark.anyio
async def test_items_of_the_responses_api_are_sent_again_with_their_reasoning_as_it_came() -> None:
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "e"}
    made = {"type": "function_call", "id": "fc_1", "call_id": "call_0", "name": "listing", "status": "completed"}
    said = {"type": "output_text", "text": "Done.", "annotations": [], "logprobs": []}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [said]}
    script = Script({"output": [reasoning, made | {"arguments": '{"number":0,"count":5000}'}]}, {"output": [message]})
    chosen = filter_of()

    with serving(script) as url:
        result = await run(url, chosen, "List all.", model="OpenAIResponsesModel")

    first, second = (request["input"] for request in script.asked)
    assert result.final_output == "Done."
    assert second[: len(first)] == first
    assert second[1] == reasoning
    assert second[2] == made | {"arguments": '{"number":0,"count":5000}'}
    assert ".workhand/results/call_0-listing.txt" in second[3]["output"]
    assert chosen.contexts["Lister"].usage.output_tokens == 20


@pytest.mark.anyio
async def test_after_a_handoff_the_next_agent_has_a_context_of_its_own() -> None:
    script = Script(calls(("a", "transfer_to_closer", {})), DONE)
    chosen = filter_of()

    with serving(script) as url:
        async with client_of(url) as client:
            model = agents.OpenAIChatCompletionsModel(model="scripted", openai_client=client)
            closer = agents.Agent(name="Closer", instructions="You close.", model=model)
            opener = agents.Agent(name="Opener", instructions="You open.", model=model, handoffs=[closer])
            config = agents.RunConfig(call_model_input_filter=chosen, tracing_disabled=True)
            result = await agents.Runner.run(opener, "Go.", run_config=config)

    assert result.final_output == "Done."
    assert sorted(chosen.contexts) == ["Closer", "Opener"]
    assert [request["messages"][0]["content"] for request in script.asked] == ["You open.", "You close."]
