"""Drive pydantic-ai, which reduces nothing unless a user writes it."""

from __future__ import annotations

from typing import Any

from bench.peers.driving import KEY, MODEL, Run, Task, Tool, drive


def build(task: Task) -> Run:
    from pydantic_ai import Agent, UsageLimits  # type: ignore[import-not-found]  # only in its own environment
    from pydantic_ai.models.openai import OpenAIChatModel  # type: ignore[import-not-found]  # as above
    from pydantic_ai.providers.openai import OpenAIProvider  # type: ignore[import-not-found]  # as above

    model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=task.url, api_key=KEY))
    agent = Agent(model, instructions=task.system, tools=[stand_in(tool) for tool in task.tools])
    endless = UsageLimits(request_limit=None)

    def run() -> None:
        history: list[Any] = []
        for said in task.said:
            history = agent.run_sync(said, message_history=history, usage_limits=endless).all_messages()

    return run


def stand_in(tool: Tool) -> Any:
    from pydantic_ai import Tool as PydanticTool

    async def run(**arguments: Any) -> str:
        return tool.run(arguments)

    return PydanticTool.from_schema(run, tool.name, tool.description, tool.schema)


if __name__ == "__main__":
    drive("pydantic-ai-slim", build)
