"""Drive deepagents with all that ``create_deep_agent`` brings."""

from __future__ import annotations

from bench.peers.driving import Run, Task, drive
from bench.peers.langchain_parts import chat_model, invoking, memory, stand_in


def build(task: Task) -> Run:
    from deepagents import create_deep_agent  # type: ignore[import-not-found]  # only in its own environment

    tools = [stand_in(tool) for tool in task.tools]
    agent = create_deep_agent(model=chat_model(task), tools=tools, system_prompt=task.system, **memory(task))
    return invoking(agent, task)


if __name__ == "__main__":
    drive("deepagents", build)
