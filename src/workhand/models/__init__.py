"""Language models: each turns a prompt and a mask into one answer.

A provider is a pure wire half (``wire``: a prompt to the bytes of a request, a stream to
an answer) and a client half that waits (``hosted``, over ``transport``).  ``providers`` makes a
model of a ``provider:name``.  This part can be used without the rest:

    async with Router(lambda name: build(parse(name), ModelSettings(cache=...)), "anthropic:NAME") as model:
        answer = await model.answer(prompt, mask, session="s", watch=print)

The names below are imported when they are first used: no provider's client is loaded unasked.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workhand.core.mask import Mask, everything, family
    from workhand.core.ports import Delta, Retry
    from workhand.core.prompt import Prompt
    from workhand.models.constrained import Result, answer_in
    from workhand.models.endpoints import Endpoints
    from workhand.models.figures import Figures
    from workhand.models.hosted import HostedModel, Patience
    from workhand.models.pool import Pool
    from workhand.models.prices import cost_usd
    from workhand.models.providers import ModelSettings, build, parse
    from workhand.models.router import Router
    from workhand.models.transport import Vendor
    from workhand.models.wire.anthropic import Anthropic
    from workhand.models.wire.dialect import Dialect, Server
    from workhand.models.wire.gemini import Gemini
    from workhand.models.wire.openai_chat import OpenAIChat
    from workhand.models.wire.openai_responses import OpenAIResponses

__all__ = [
    "Anthropic",
    "Delta",
    "Dialect",
    "Endpoints",
    "Figures",
    "Gemini",
    "HostedModel",
    "Mask",
    "ModelSettings",
    "OpenAIChat",
    "OpenAIResponses",
    "Patience",
    "Pool",
    "Prompt",
    "Result",
    "Retry",
    "Router",
    "Server",
    "Vendor",
    "answer_in",
    "build",
    "cost_usd",
    "everything",
    "family",
    "parse",
]

_MODULES = {
    "workhand.core.mask": ("Mask", "everything", "family"),
    "workhand.core.ports": ("Delta", "Retry"),
    "workhand.core.prompt": ("Prompt",),
    "workhand.models.constrained": ("Result", "answer_in"),
    "workhand.models.endpoints": ("Endpoints",),
    "workhand.models.figures": ("Figures",),
    "workhand.models.hosted": ("HostedModel", "Patience"),
    "workhand.models.pool": ("Pool",),
    "workhand.models.prices": ("cost_usd",),
    "workhand.models.providers": ("ModelSettings", "build", "parse"),
    "workhand.models.router": ("Router",),
    "workhand.models.transport": ("Vendor",),
    "workhand.models.wire.anthropic": ("Anthropic",),
    "workhand.models.wire.dialect": ("Dialect", "Server"),
    "workhand.models.wire.gemini": ("Gemini",),
    "workhand.models.wire.openai_chat": ("OpenAIChat",),
    "workhand.models.wire.openai_responses": ("OpenAIResponses",),
}


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
