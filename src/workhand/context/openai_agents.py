"""The context engine as an input filter for the OpenAI Agents SDK.

    chosen = InputFilter(partial(begin, window=128_000))
    Runner.run(agent, "...", hooks=chosen.hooks, run_config=RunConfig(call_model_input_filter=chosen))

One filter is one conversation, over as many runs as it has.  The SDK's own items
and sessions stay whole: only what the model is sent comes from the context.
After a handoff the next agent has another system prompt and other tools, and so
a context of its own.  The hooks tell the context what the provider counted;
without them sizes are estimated.
"""

from __future__ import annotations

import json
from typing import Any

# The package is an extra, which is not installed where types are checked.
from agents import FunctionTool, RunHooks  # type: ignore[import-not-found]
from agents.run_config import ModelInputData  # type: ignore[import-not-found]

from workhand.context.context import Context, Make, SummarizeAsync, begin, tool
from workhand.context.responses import items, record_items
from workhand.context.turns import READ_DESCRIPTION, READ_PARAMETERS, READ_TOOL, check_system, read_slice
from workhand.core.events import Usage
from workhand.core.policy import ToolSpec


class InputFilter:
    """What the model of a run is sent instead of all items.

    ``summarize`` asks a model for a summary; without it contexts are only compacted.
    """

    def __init__(self, make: Make = begin, *, summarize: SummarizeAsync | None = None) -> None:
        self.contexts: dict[str, Context] = {}  # by the name of the agent
        self.usage: dict[str, Usage] = {}  # of the latest answer of each
        self.hooks = _Hooks(self.usage)
        self._make = make
        self._summarize = summarize

    async def __call__(self, given: Any) -> Any:
        """Record what is new, reduce what is due, and give the items of the prompt."""
        name, asked = given.agent.name, given.model_data
        context = self.contexts.get(name)
        if context is None:
            specs = tuple(_spec(each) for each in given.agent.tools if isinstance(each, FunctionTool))
            context = self.contexts[name] = self._make(asked.instructions or "", specs)
        check_system(context, asked.instructions or "")
        model = given.agent.model  # a name, an object that has one, or nothing
        model = model if isinstance(model, str) else str(getattr(model, "model", ""))
        record_items(context, asked.input, usage=self.usage.get(name), model=model)
        await context.reduce_async(self._summarize)
        return ModelInputData(input=items(context.prompt()), instructions=asked.instructions)

    def tool(self) -> Any:
        """Give a tool that reads originals, for agents whose own tools cannot."""
        return FunctionTool(
            name=READ_TOOL,
            description=READ_DESCRIPTION,
            params_json_schema=dict(READ_PARAMETERS),
            on_invoke_tool=self._read,
            strict_json_schema=False,
        )

    async def _read(self, run: Any, arguments: str) -> str:
        context = self.contexts.get(run.agent.name) if run.agent else None
        if context is None:
            return "There is no conversation to read from."
        try:
            stated = json.loads(arguments)
        except ValueError as error:
            return f"The arguments are not valid JSON ({error})."
        return read_slice(context, stated if isinstance(stated, dict) else {})[0]


class _Hooks(RunHooks):  # type: ignore[misc] # the class it extends is unknown without the package
    """Keep what the latest answer of each agent used."""

    def __init__(self, usage: dict[str, Usage]) -> None:
        self._usage = usage

    async def on_llm_end(self, context: Any, agent: Any, response: Any) -> None:
        used = response.usage
        read, made = used.input_tokens_details, used.output_tokens_details
        self._usage[agent.name] = Usage(
            input_tokens=used.input_tokens,
            cached_tokens=read.cached_tokens or 0,
            written_tokens=getattr(read, "cache_write_tokens", 0) or 0,
            output_tokens=used.output_tokens,
            reasoning_tokens=made.reasoning_tokens or 0,
        )


def _spec(each: Any) -> ToolSpec:
    return tool(each.name, each.description, each.params_json_schema)
