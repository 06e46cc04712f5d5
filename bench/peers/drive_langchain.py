"""Drive langchain's ``create_agent`` with one of its two middlewares that reduce the context.

``summary`` has no trigger of its own: without a limit it never acts.
``clearing`` starts at 100,000 tokens unless told otherwise.
"""

from __future__ import annotations

from typing import Any

from bench.peers.driving import SHARE_OF_WINDOW, Run, Task, drive
from bench.peers.langchain_parts import chat_model, invoking, memory, stand_in


def build(task: Task) -> Run:
    from langchain.agents import create_agent  # type: ignore[import-not-found]  # only in its own environment

    model = chat_model(task)
    reducing = clearing(task) if task.variant == "clearing" else summary(task, model)
    tools = [stand_in(tool) for tool in task.tools]
    agent = create_agent(model, tools, system_prompt=task.system, middleware=[reducing], **memory(task))
    return invoking(agent, task)


def summary(task: Task, model: Any) -> Any:
    from langchain.agents.middleware import SummarizationMiddleware  # type: ignore[import-not-found]  # as above

    trigger = {"trigger": ("fraction", SHARE_OF_WINDOW)} if task.limit else {}
    return SummarizationMiddleware(model, **trigger)


def clearing(task: Task) -> Any:
    from langchain.agents.middleware import ClearToolUsesEdit, ContextEditingMiddleware

    if not task.limit:
        return ContextEditingMiddleware()
    return ContextEditingMiddleware(edits=[ClearToolUsesEdit(trigger=int(task.limit * SHARE_OF_WINDOW))])


if __name__ == "__main__":
    drive("langchain", build)
