"""Drive openai-agents over the Responses API, plain or with its compaction session.

The session has the server compact the history, so what a compaction holds is a stand-in here.
"""

from __future__ import annotations

import json
from typing import Any

from bench.peers.driving import KEY, MODEL, STEPS_MAX, Run, Task, Tool, drive

COMPACTING_MODEL = "gpt-5.4"  # the session refuses names that are not OpenAI's


def build(task: Task) -> Run:
    import agents  # type: ignore[import-not-found]  # only in its own environment
    from openai import AsyncOpenAI

    agents.set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=task.url, api_key=KEY)
    model = agents.OpenAIResponsesModel(MODEL, client)
    agent = agents.Agent(
        name="peer", instructions=task.system, model=model, tools=[stand_in(tool) for tool in task.tools]
    )
    session = compacting(client, task) if task.variant == "compaction" else None

    def run() -> None:
        history: list[Any] = []
        for said in task.said:
            given = said if session else [*history, {"role": "user", "content": said}]
            history = agents.Runner.run_sync(agent, given, max_turns=STEPS_MAX, session=session).to_input_list()

    return run


def compacting(client: Any, task: Task) -> Any:
    from agents import SQLiteSession
    from agents.memory import OpenAIResponsesCompactionSession  # type: ignore[import-not-found]  # as above

    kept = SQLiteSession(task.session.id)
    return OpenAIResponsesCompactionSession(
        task.session.id, underlying_session=kept, client=client, model=COMPACTING_MODEL, compaction_mode="input"
    )


def stand_in(tool: Tool) -> Any:
    from agents import FunctionTool

    async def run(_: Any, arguments: str) -> str:
        return tool.run(json.loads(arguments))

    return FunctionTool(tool.name, tool.description, tool.schema, run, strict_json_schema=False)


if __name__ == "__main__":
    drive("openai-agents", build)
