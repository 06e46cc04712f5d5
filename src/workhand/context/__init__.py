"""The context engine for agents that are not ours.

Any agent can keep its messages in a context and get from it what the model is
to read, which tools may be called, and an account of what the cache was worth:

    context = begin("You are ...", tools, window=128_000, keep=Path("workspace"))
    context.user("..."); context.reduce(); context.prompt()

``openai``, ``responses`` and ``anthropic`` beside this module read and write the
messages of these APIs; ``langchain`` and ``openai_agents`` fit it into these
frameworks, and are the only modules here that import one.
"""

from workhand.context.context import Context, begin, load, tool
from workhand.context.originals import Directory, Handed, Memory, Originals
from workhand.core.events import ToolCall, Usage
from workhand.core.policy import Prices, Rules, ToolSpec, Window
from workhand.core.prompt import Prompt
from workhand.errors import HistoryEdited

__all__ = [
    "Context",
    "Directory",
    "Handed",
    "HistoryEdited",
    "Memory",
    "Originals",
    "Prices",
    "Prompt",
    "Rules",
    "ToolCall",
    "ToolSpec",
    "Usage",
    "Window",
    "begin",
    "load",
    "tool",
]
