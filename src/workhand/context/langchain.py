"""The context engine as a middleware for LangChain agents.

    create_agent(model, tools, middleware=[ContextMiddleware(partial(begin, window=128_000))])

The agent's state stays as it is: each conversation has a context beside it, and
only what the model is sent comes from there.  The model's own messages are sent
as they are in the state, with all that its provider wants to see again, unless
their long arguments are compacted.  A conversation is known by the id of its
first message.  Other middleware must not edit the messages that are on record.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

# The packages are an extra, which is not installed where types are checked.
from langchain.agents.middleware import AgentMiddleware  # type: ignore[import-not-found]
from langchain_core.exceptions import ContextOverflowError  # type: ignore[import-not-found]
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage  # type: ignore[import-not-found]
from langchain_core.tools import StructuredTool  # type: ignore[import-not-found]
from langchain_core.utils.function_calling import convert_to_openai_tool  # type: ignore[import-not-found]

from workhand.context.context import Context, Make, Written, begin, tool
from workhand.context.openai import text_of
from workhand.context.turns import (
    READ_DESCRIPTION,
    READ_PARAMETERS,
    READ_TOOL,
    Answered,
    Placed,
    Returned,
    Said,
    Told,
    call,
    check_system,
    read_slice,
    record,
)
from workhand.core.events import ModelAnswered, Usage
from workhand.core.policy import ToolSpec
from workhand.core.prompt import Prompt
from workhand.errors import ConfigError, ContextOverflow
from workhand.models.wire import pieces


class ContextMiddleware(AgentMiddleware):  # type: ignore[misc] # the class it extends is unknown without the package
    def __init__(
        self, make: Make = begin, *, summaries: bool = True, files: bool = False, contexts_max: int = 64
    ) -> None:
        """``files`` says that the agent's own tools can read the directory in which originals are kept.

        If not, one tool that reads them is added.  Of conversations beyond ``contexts_max`` the one
        that was used longest ago is dropped; it begins anew should it go on.
        """
        super().__init__()
        self.tools = [] if files else [_read_tool()]
        self.contexts: OrderedDict[str, Context] = OrderedDict()
        self._make = make
        self._summaries = summaries
        self._contexts_max = contexts_max

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        context = self._recorded(request)

        def summarize(prompt: Prompt, instruction: str) -> Written:
            try:
                return _written(handler(_shown(context, prompt, request)))
            except ContextOverflowError as error:
                raise ContextOverflow(None, None) from error

        asks = summarize if self._summaries else None
        context.reduce(asks)
        try:
            return handler(_shown(context, context.prompt(), request))
        except ContextOverflowError as error:
            context.overflowed(str(error))
            if not context.reduce(asks):
                raise
        return handler(_shown(context, context.prompt(), request))

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        context = self._recorded(request)

        async def summarize(prompt: Prompt, instruction: str) -> Written:
            try:
                return _written(await handler(_shown(context, prompt, request)))
            except ContextOverflowError as error:
                raise ContextOverflow(None, None) from error

        asks = summarize if self._summaries else None
        await context.reduce_async(asks)
        try:
            return await handler(_shown(context, context.prompt(), request))
        except ContextOverflowError as error:
            context.overflowed(str(error))
            if not await context.reduce_async(asks):
                raise
        return await handler(_shown(context, context.prompt(), request))

    def wrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        return self._settled(request) or handler(request)

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        return self._settled(request) or await handler(request)

    def after_agent(self, state: Any, runtime: Any) -> None:
        context = self.contexts.get(_key(state["messages"]))
        if context is not None:
            record(context, _turns(state["messages"]))

    def _recorded(self, request: Any) -> Context:
        """Give the conversation's context with everything on record that is in its messages."""
        system = request.system_message.text if request.system_message else ""
        key = _key(request.messages)
        context = self.contexts.get(key)
        if context is None:
            context = self.contexts[key] = self._make(str(system), tuple(map(_spec, request.tools)))
            if len(self.contexts) > self._contexts_max:
                self.contexts.popitem(last=False)
        self.contexts.move_to_end(key)
        check_system(context, str(system))
        record(context, _turns(request.messages))
        return context

    def _settled(self, request: Any) -> Any:
        """Answer a call that needs no tool of the agent: one that reads an original, or that is refused."""
        context, made = self.contexts.get(_key(request.state["messages"])), request.tool_call
        if context is None:
            return None
        text, ok = context.refusal(call("", made["name"], json.dumps(made["args"]))), False
        if text is None and made["name"] == READ_TOOL:
            text, ok = read_slice(context, made["args"])
        if text is None:
            return None
        status = "success" if ok else "error"
        return ToolMessage(content=text, tool_call_id=made["id"], name=made["name"], status=status)


def _key(messages: Sequence[Any]) -> str:
    return str(messages[0].id) if messages else ""


def _shown(context: Context, prompt: Prompt, request: Any) -> Any:
    """Give the request with the messages of a prompt."""
    shown = []
    ids: dict[str, str] = {}  # which the model gave its calls, by those on record
    turns = [pieces.turn(piece) for piece in prompt.body[2:]]
    answers = sum(isinstance(turn, pieces.Answered) for turn in turns)
    given = iter([message for message in request.messages if isinstance(message, AIMessage)][-answers:])
    recorded = iter([event for event in context.log.events if isinstance(event, ModelAnswered)][-answers:])
    for turn in turns:
        match turn:
            case pieces.Said(_, text):
                shown.append(HumanMessage(text))
            case pieces.Answered(text, calls):
                message = next(given)
                ids.update((kept.id, each["id"]) for kept, each in zip(calls, message.tool_calls, strict=True))
                whole = calls == next(recorded).calls
                shown.append(message if whole else AIMessage(text, tool_calls=[*map(_long, calls, message.tool_calls)]))
            case pieces.Returned(id, text):
                shown.append(ToolMessage(content=text, tool_call_id=ids[id]))
    tail = [HumanMessage(prompt.tail)] if prompt.tail else []
    return request.override(messages=[*shown, *tail])


def _long(kept: Any, made: Any) -> dict[str, Any]:
    return {"id": made["id"], "name": made["name"], "args": json.loads(kept.arguments), "type": "tool_call"}


def _turns(messages: Sequence[Any]) -> Iterator[Placed]:
    for index, message in enumerate(messages):
        match message:
            case HumanMessage():
                yield index, Said(text_of(message.content, index))
            case SystemMessage():
                yield index, Told(text_of(message.content, index))
            case AIMessage():
                calls = tuple(call(str(c["id"]), c["name"], json.dumps(c["args"])) for c in message.tool_calls)
                model = str(message.response_metadata.get("model_name", ""))
                yield index, Answered(str(message.text), calls, usage=_usage(message), model=model)
            case ToolMessage():
                content = text_of(message.content, index).encode(errors="replace")
                yield index, Returned(str(message.tool_call_id), content, message.status != "error")
            case _:
                raise ConfigError(f"Message {index} is of type {type(message).__name__!r}, which no model is sent.")


def _usage(message: Any) -> Usage:
    used = message.usage_metadata or {}
    read, made = used.get("input_token_details", {}), used.get("output_token_details", {})
    return Usage(
        input_tokens=used.get("input_tokens", 0),
        cached_tokens=read.get("cache_read") or 0,
        written_tokens=read.get("cache_creation") or 0,
        output_tokens=used.get("output_tokens", 0),
        reasoning_tokens=made.get("reasoning") or 0,
    )


def _written(response: Any) -> Written:
    message = response.result[-1]
    return str(message.text), _usage(message)


def _spec(each: Any) -> ToolSpec:
    function = convert_to_openai_tool(each).get("function", {})
    return tool(function.get("name", ""), function.get("description", ""), function.get("parameters", {}))


def _read_tool() -> Any:
    def read(**arguments: Any) -> str:
        return "There is no conversation to read from."

    return StructuredTool(name=READ_TOOL, description=READ_DESCRIPTION, args_schema=dict(READ_PARAMETERS), func=read)
