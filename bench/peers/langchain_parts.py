"""The parts that langchain and deepagents share: the model, a tool, and a run."""

from __future__ import annotations

from typing import Any

from bench.peers.driving import KEY, MODEL, STEPS_MAX, Run, Task, Tool


def chat_model(task: Task) -> Any:
    from langchain_openai import ChatOpenAI  # type: ignore[import-not-found]  # only in their environments

    window = {"profile": {"max_input_tokens": task.limit}} if task.limit else {}
    return ChatOpenAI(model=MODEL, base_url=task.url, api_key=KEY, **window)


def stand_in(tool: Tool) -> Any:
    from langchain_core.tools import StructuredTool  # type: ignore[import-not-found]  # as above

    def run(**arguments: Any) -> str:
        return tool.run(arguments)

    return StructuredTool(name=tool.name, description=tool.description, args_schema=tool.schema, func=run)


def memory(task: Task) -> dict[str, Any]:
    """Give the options that make an agent remember; they are only paid for where there is another turn."""
    from langgraph.checkpoint.memory import InMemorySaver  # type: ignore[import-not-found]  # as above

    return {"checkpointer": InMemorySaver()} if len(task.said) > 1 else {}


def invoking(agent: Any, task: Task) -> Run:
    config = {"recursion_limit": STEPS_MAX, "configurable": {"thread_id": "one"}}
    return lambda: [agent.invoke({"messages": [{"role": "user", "content": said}]}, config) for said in task.said]
