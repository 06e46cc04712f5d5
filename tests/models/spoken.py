"""Every dialect, over one server that speaks all of them: what tests that hold for each are run with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.models.toolset import ALL, answered, head, only, prompt, returned, said, unwatched
from workhand.core.events import ModelAnswered
from workhand.core.mask import Mask
from workhand.models.hosted import HostedModel, Patience
from workhand.models.transport import Vendor
from workhand.models.wire.anthropic import Anthropic
from workhand.models.wire.dialect import Dialect, Server
from workhand.models.wire.gemini import Gemini
from workhand.models.wire.openai_chat import OpenAIChat
from workhand.models.wire.openai_responses import OpenAIResponses
from workhand.testing.model import Say

BODY = (*head(), said("Read the files."))
READ = Say("file_read", {"path": "a.txt"}, "I shall look at the file that was named.")
KEY = "sk-test-0123456789"
NOW = 1_800_000_000.0  # Fri, 15 Jan 2027 08:00:00 GMT
QUICK = Patience(connect_s=5, first_token_s=5, between_chunks_s=5, attempts_max=3, backoff_s=1, backoff_max_s=60)
DIALECTS = ("anthropic", "openai", "openai-marked", "openai-chat", "google")
VENDORS = {"anthropic": Vendor("anthropic"), "openai": Vendor("openai")}


@dataclass(slots=True)
class Slept:
    """Stands in for waiting: remembers how long it would have been."""

    seconds: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def dialect(name: str, address: str, *, stream: bool = True, model: str = "") -> Dialect:
    """Give a dialect for the server at an address."""
    match name:
        case "anthropic":
            return Anthropic(Server("anthropic", address, model or "claude-opus-5", KEY, stream))
        case "openai":
            return OpenAIResponses(Server("openai", f"{address}/v1", model or "gpt-6.1-sol", KEY, stream))
        case "openai-marked":
            server = Server("openai", f"{address}/v1", model or "gpt-6.1-sol", KEY, stream)
            return OpenAIResponses(server, breakpoints=True)
        case "openai-chat":
            server = Server("openai-chat", f"{address}/v1", model or "any", KEY, stream)
            return OpenAIChat(server, form="native", allowed_tools=True)
        case _:
            return Gemini(Server("google", f"{address}/v1beta", model or "gemini-3.8-flash", KEY, stream))


@asynccontextmanager
async def opened(
    spoken: Dialect,
    *,
    vendor: Vendor | None = None,
    patience: Patience = QUICK,
    sleep: Callable[[float], Awaitable[None]] | None = None,
) -> AsyncIterator[HostedModel]:
    """Open a model that never really waits, and that draws no chance."""
    async with HostedModel(
        spoken, vendor=vendor, patience=patience, chance=lambda: 0.5, sleep=sleep or Slept(), now=lambda: NOW
    ) as model:
        yield model


async def ask(model: HostedModel, *body: bytes, mask: Mask = ALL, tail: str = "") -> ModelAnswered:
    return await model.answer(prompt(*body, tail=tail, answer_tokens_max=400), mask, session="s", watch=unwatched)


async def ten_turns(model: HostedModel, tail: str = "") -> list[ModelAnswered]:
    """Let a session read ten files, one after the other."""
    answers: list[ModelAnswered] = []
    body: tuple[bytes, ...] = BODY
    for i in range(10):
        answers.append(await ask(model, *body, mask=ALL if i % 2 else only("file_read"), tail=tail))
        body = (*body, answered(answers[-1], f"c{i}"), returned(f"c{i}", f"{i}: " + "line of text\n" * 60))
    return answers
