"""Drive strands-agents with its managed context, which is off unless asked for."""

from __future__ import annotations

from typing import Any

from bench.peers.driving import KEY, MODEL, Run, Task, Tool, drive


def build(task: Task) -> Run:
    from strands import Agent  # type: ignore[import-not-found]  # only in its own environment
    from strands.models.openai import OpenAIModel  # type: ignore[import-not-found]  # as above

    window = {"context_window_limit": task.limit} if task.limit else {}
    model = OpenAIModel(client_args={"base_url": task.url, "api_key": KEY}, model_id=MODEL, **window)
    agent = Agent(
        model=model,
        tools=[stand_in(tool) for tool in task.tools],
        system_prompt=task.system,
        context_manager="auto",
        callback_handler=None,
    )
    return lambda: [agent(said) for said in task.said]


def stand_in(tool: Tool) -> Any:
    from strands.tools.tools import PythonAgentTool  # type: ignore[import-not-found]  # as above

    def run(use: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"toolUseId": use["toolUseId"], "status": "success", "content": [{"text": tool.run(use["input"])}]}

    schema = {"json": tool.schema}
    return PythonAgentTool(tool.name, {"name": tool.name, "description": tool.description, "inputSchema": schema}, run)


if __name__ == "__main__":
    drive("strands-agents", build)
