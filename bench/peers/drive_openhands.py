"""Drive openhands-sdk with the tools, the prompt and the condenser of its default preset, without the browser.

The stand-in tools are what the package calls client tools, with an executor that answers.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

from bench.peers.driving import KEY, MODEL, STEPS_MAX, Run, Task, Tool, drive


def build(task: Task) -> Run:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or its import asks the network for prices
    from openhands.sdk import (  # type: ignore[import-not-found]  # only in its own environment
        LLM,
        Agent,
        AgentContext,
        Conversation,
    )
    from openhands.sdk.tool import Tool as Spec  # type: ignore[import-not-found]  # as above
    from openhands.sdk.tool import register_tool
    from openhands.tools.preset.default import (  # type: ignore[import-not-found]  # as above
        get_default_condenser,
        get_default_tools,
    )

    window = {"max_input_tokens": task.limit} if task.limit else {}
    llm = LLM(model=f"openai/{MODEL}", base_url=task.url, api_key=KEY, **window)
    for tool in task.tools:
        register_tool(tool.name, stand_in(tool))
    agent = Agent(
        llm=llm,
        tools=[*get_default_tools(enable_browser=False), *(Spec(name=tool.name) for tool in task.tools)],
        system_prompt_kwargs={"cli_mode": True},
        condenser=get_default_condenser(llm=llm.model_copy(update={"usage_id": "condenser"})),
        agent_context=AgentContext(system_message_suffix=task.session.system or None),
    )

    def run() -> None:
        with tempfile.TemporaryDirectory() as workspace:
            conversation = Conversation(
                agent, workspace=workspace, visualizer=None, max_iteration_per_run=STEPS_MAX, stuck_detection=False
            )
            for said in task.said:
                conversation.send_message(said)
                conversation.run()
            conversation.close()

    return run


def stand_in(tool: Tool) -> Any:
    from openhands.sdk.tool import ToolExecutor
    from openhands.sdk.tool.client_tool import (  # type: ignore[import-not-found]  # as above
        ClientTool,
        ClientToolObservation,
        ClientToolSpec,
    )

    def answer(_: Any, action: Any, conversation: Any = None) -> Any:
        given = action.to_mcp_arguments() if hasattr(action, "to_mcp_arguments") else action.model_dump()
        return ClientToolObservation.from_text(text=tool.run(given))

    executor = type("StandIn", (ToolExecutor,), {"__call__": answer})()
    spec = ClientToolSpec(name=tool.name, description=tool.description, parameters=tool.schema)
    return ClientTool.from_spec(spec).set_executor(executor)


if __name__ == "__main__":
    drive("openhands-sdk", build)
