"""Drive agno with compaction and offloading on, over a database in memory."""

from __future__ import annotations

from typing import Any

from bench.peers.driving import KEY, MODEL, SHARE_OF_WINDOW, Run, Task, Tool, drive


def build(task: Task) -> Run:
    from agno.agent import Agent  # type: ignore[import-not-found]  # only in its own environment
    from agno.compaction.compaction import Compaction  # type: ignore[import-not-found]  # as above
    from agno.db.sqlite import SqliteDb  # type: ignore[import-not-found]  # as above
    from agno.models.openai import OpenAIChat  # type: ignore[import-not-found]  # as above

    threshold = {"compact_at_tokens": int(task.limit * SHARE_OF_WINDOW)} if task.limit else {}
    agent = Agent(
        model=OpenAIChat(id=MODEL, base_url=task.url, api_key=KEY),
        db=SqliteDb(db_url="sqlite://"),
        session_id=task.session.id,
        system_message=task.system,
        tools=[stand_in(tool) for tool in task.tools],
        add_history_to_context=True,
        compaction=Compaction(**threshold),
        offload_tool_results=True,
        telemetry=False,
    )
    return lambda: [agent.run(said) for said in task.said]


def stand_in(tool: Tool) -> Any:
    from agno.tools.function import Function  # type: ignore[import-not-found]  # as above

    def run(**arguments: Any) -> str:
        return tool.run(arguments)

    return Function(
        name=tool.name,
        description=tool.description,
        parameters=tool.schema,
        entrypoint=run,
        skip_entrypoint_processing=True,
    )


if __name__ == "__main__":
    drive("agno", build)
