"""Thirty turns with a real cache behind each wire format: what was sent before is not processed again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.models.toolset import answered, head, prompt, said, unwatched
from workhand.core.mask import Mask
from workhand.models.hosted import HostedModel
from workhand.models.local import LocalModel
from workhand.models.transport import Vendor
from workhand.models.wire.anthropic import Anthropic
from workhand.models.wire.dialect import Dialect, Server
from workhand.models.wire.openai_chat import OpenAIChat
from workhand.models.wire.openai_responses import OpenAIResponses

pytestmark = [pytest.mark.anyio, pytest.mark.machines]

TURNS = 30
REUSED_MIN = 0.94
WORDS = Mask("auto", ())
TASK = (
    "You tell a story that does not end, of a river that flows from its source to the sea, past one town after another."
)
TOWNS = ["Ulm", "Bern", "Graz", "Kiel", "Bonn", "Linz", "Chur", "Trier", "Essen", "Passau"]


def chat(local: LocalModel, stream: bool) -> tuple[Dialect, Vendor | None]:
    server = Server("openai-chat", f"{local.address}/v1", "local", local.key, stream)
    return OpenAIChat(server, form="native", tail_role="user"), None


def responses(local: LocalModel, stream: bool) -> tuple[Dialect, Vendor | None]:
    server = Server("openai", f"{local.address}/v1", "local", local.key, stream)
    dialect = OpenAIResponses(server, cache_key=False, allowed_tools=False, encrypted=False, tail_role="user")
    return dialect, Vendor("openai")


def messages(local: LocalModel, stream: bool) -> tuple[Dialect, Vendor | None]:
    return Anthropic(Server("anthropic", local.address, "local", local.key, stream)), Vendor("anthropic")


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("made", [chat, responses, messages])
async def test_a_session_of_thirty_turns_is_served_from_the_cache(
    local: LocalModel, made: Callable[[LocalModel, bool], tuple[Dialect, Vendor | None]], stream: bool
) -> None:
    dialect, vendor = made(local, stream)
    body = head(f"{TASK} ({made.__name__}, {stream})", tools=())
    sent = cached = 0
    async with HostedModel(dialect, vendor=vendor) as model:
        for turn in range(TURNS):
            body = (*body, said(f"{turn}. Now {TOWNS[turn % len(TOWNS)]}!"))
            answer = await model.answer(prompt(*body, answer_tokens_max=10), WORDS, session="s", watch=unwatched)
            body = (*body, answered(answer, f"c{turn}"))
            sent += answer.usage.input_tokens
            cached += answer.usage.cached_tokens
    assert cached / sent >= REUSED_MIN, f"{cached} of {sent} tokens came from the cache"
