"""Drive smolagents' ``ToolCallingAgent``.  It refuses a call that leaves out an argument, so all may be null."""

from __future__ import annotations

from typing import Any

from bench.peers.driving import KEY, MODEL, STEPS_MAX, Run, Task, Tool, drive


def build(task: Task) -> Run:
    from smolagents import LogLevel, OpenAIModel, ToolCallingAgent  # type: ignore[import-not-found]  # as in the others

    agent = ToolCallingAgent(
        tools=[stand_in(tool) for tool in task.tools],
        model=OpenAIModel(model_id=MODEL, api_base=task.url, api_key=KEY),
        instructions=task.session.system or None,
        max_steps=STEPS_MAX,
        verbosity_level=LogLevel.OFF,
    )
    return lambda: [agent.run(said, reset=not turn) for turn, said in enumerate(task.said)]


def stand_in(tool: Tool) -> Any:
    from smolagents import Tool as SmolTool

    def forward(_: Any, **arguments: Any) -> str:
        return tool.run(arguments)

    inputs = {
        key: {"type": schema.get("type", "any"), "description": key, "nullable": True}
        for key, schema in tool.schema["properties"].items()
    }
    described = {
        "name": tool.name,
        "description": tool.description,
        "inputs": inputs,
        "output_type": "string",
        "skip_forward_signature_validation": True,
        "forward": forward,
    }
    return type(tool.name, (SmolTool,), described)()


if __name__ == "__main__":
    drive("smolagents", build)
