"""How each provider is reached, as a person sets it: addresses, keys, and what a server can do.

Light values, without the providers themselves, so that settings can be read quickly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

ANTHROPIC_URL = "https://api.anthropic.com"
OPENAI_URL = "https://api.openai.com/v1"
GOOGLE_URL = "https://generativelanguage.googleapis.com/v1beta"


@dataclass(frozen=True, slots=True)
class AnthropicEndpoint:
    base_url: str = ""  # empty: the cloud's own
    api_key: str = field(default="", repr=False)
    cloud: Literal["", "aws", "bedrock", "foundry", "google-cloud"] = ""
    window_tokens: int = 0  # use no more; 0: what the server tells
    stream: bool = True
    long_lived_cache: bool = False  # an hour instead of five minutes, for twice the write price
    tool_changes: bool = False  # masks by the beta of changing tools in a conversation
    diagnostics: bool = False  # ask why the cache missed: a beta


@dataclass(frozen=True, slots=True)
class OpenAIEndpoint:
    base_url: str = ""  # empty: the cloud's own
    api_key: str = field(default="", repr=False)
    cloud: Literal["", "azure", "bedrock"] = ""
    window_tokens: int = 0
    stream: bool = True


@dataclass(frozen=True, slots=True)
class GoogleEndpoint:
    base_url: str = GOOGLE_URL
    api_key: str = field(default="", repr=False)
    window_tokens: int = 0
    stream: bool = True


@dataclass(frozen=True, slots=True)
class OpenAIChatEndpoint:
    base_url: str = OPENAI_URL
    servers: tuple[str, ...] = ()  # instead of ``base_url``: several of one model, among which sessions are spread
    api_key: str = field(default="", repr=False)
    window_tokens: int = 0
    stream: bool = True
    tool_format: Literal["auto", "native", "json"] = "auto"
    masks: Literal["", "allowed_tools", "vllm", "sglang"] = ""  # how the server can be told a subset of the tools
    tail_role: Literal["", "system", "user"] = ""  # of the recital; empty: the user's, but at OpenAI the system's


@dataclass(frozen=True, slots=True)
class Endpoints:
    """All providers that are reached over the network."""

    anthropic: AnthropicEndpoint = AnthropicEndpoint()
    openai: OpenAIEndpoint = OpenAIEndpoint()
    google: GoogleEndpoint = GoogleEndpoint()
    openai_chat: OpenAIChatEndpoint = OpenAIChatEndpoint()
