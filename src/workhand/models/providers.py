"""The models there are, by ``provider:name``, and how one is made.

``local`` runs on this machine and ``script:FILE`` reads its answers from a file; the
others are asked over the network, each in its provider's own format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

from workhand.errors import ConfigError
from workhand.models import local_files
from workhand.models.endpoints import OPENAI_URL, Endpoints, OpenAIChatEndpoint
from workhand.models.figures import Figures
from workhand.models.hosted import HostedModel, Patience
from workhand.models.local import LocalModel
from workhand.models.pool import Pool
from workhand.models.script import ScriptModel, read_script
from workhand.models.transport import Vendor
from workhand.models.wire.dialect import Dialect, Server

Kind: TypeAlias = Literal["local", "anthropic", "openai", "google", "openai-chat", "script"]
OpenableModel: TypeAlias = LocalModel | HostedModel | Pool | ScriptModel
"""A ``Model`` that is an async context manager, and can be asked for its ``window()``."""

ARGUMENT = {"script": "FILE"}  # what stands behind the colon; elsewhere NAME
POOL_ATTEMPTS = 2  # of each server of a pool: another one may answer at once


@dataclass(frozen=True, slots=True)
class Provider:
    """A parsed ``provider:name``."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """What models need that is not part of a session."""

    cache: Path  # the local model's file, and the saved state of its sessions
    endpoints: Endpoints = field(default_factory=Endpoints)
    figures: Mapping[str, Figures] = field(default_factory=dict)  # what is stated of a model, by "provider:name"
    patience: Patience = field(default_factory=Patience)
    local_sessions_max: int = 2
    local_window_tokens: int = 8_192


def parse(text: str) -> Provider:
    """Read ``provider:name``.  Raises ``ConfigError`` with the providers there are."""
    kind, _, name = text.partition(":")
    if kind not in get_args(Kind):
        there_are = [each if each == "local" else f"{each}:{ARGUMENT.get(each, 'NAME')}" for each in get_args(Kind)]
        raise ConfigError(
            f"There is no model provider {kind!r}; there are {', '.join(there_are[:-1])} and {there_are[-1]}."
        )
    if kind != "local" and not name:
        raise ConfigError(f"The model {text!r} lacks a name; write {kind}:{ARGUMENT.get(kind, 'NAME')}.")
    if kind == "local" and name not in ("", local_files.MODEL):
        raise ConfigError(f"There is no local model {name!r}; write local.")
    return Provider(cast(Kind, kind), name)


def build(provider: Provider, settings: ModelSettings) -> OpenableModel:
    """Make a model.  It does nothing before it is entered, except that files are looked for and checked."""
    match provider.kind:
        case "local":
            return _local(settings)
        case "script":
            return read_script(Path(provider.name))
    stated = settings.endpoints.openai_chat
    if provider.kind != "openai-chat" or not stated.servers:
        return _hosted(provider, settings)
    each = replace(settings, patience=replace(settings.patience, attempts_max=POOL_ATTEMPTS))
    return Pool({url: _hosted(provider, each, url) for url in stated.servers})


def server_of(provider: Provider, endpoints: Endpoints, base_url: str = "") -> Server | None:
    """Say where a model is served; ``None`` if that is in this process.

    ``base_url`` is one of several servers.  Raises ``ConfigError`` for what is no address.
    """
    if provider.kind in ("local", "script"):
        return None
    stated = getattr(endpoints, provider.kind.replace("-", "_"))
    url = base_url or next(iter(getattr(stated, "servers", ())), "") or stated.base_url
    if url and not url.startswith(("http://", "https://")):
        raise ConfigError(f"The model {provider} needs `base_url`, such as https://HOST/v1, not {url!r}.")
    return Server(provider.kind, url.rstrip("/"), provider.name, stated.api_key, stated.stream)


def _hosted(provider: Provider, settings: ModelSettings, base_url: str = "") -> HostedModel:
    server = server_of(provider, settings.endpoints, base_url)
    assert server is not None, "what is in this process is not hosted"
    dialect, vendor = _dialect(server, settings.endpoints)
    figures = settings.figures.get(str(provider), Figures())
    return HostedModel(dialect, vendor=vendor, patience=settings.patience, figures=figures)


def _dialect(server: Server, endpoints: Endpoints) -> tuple[Dialect, Vendor | None]:
    """Give the wire half of a server with what it understands, and whose client sends for it."""
    match server.provider:
        case "anthropic":
            from workhand.models.wire.anthropic import Anthropic

            claude = endpoints.anthropic
            options = (claude.long_lived_cache, claude.tool_changes, claude.diagnostics)
            return Anthropic(server, *options), Vendor("anthropic", claude.cloud)
        case "openai":
            from workhand.models.prices import mechanics
            from workhand.models.wire.openai_responses import OpenAIResponses

            official = bool(endpoints.openai.cloud) or server.base_url in ("", OPENAI_URL)
            known = mechanics(server) if official else None
            marks = bool(known and known.breakpoints_max)
            gpt = OpenAIResponses(server, marks, official, official, official, "developer" if official else "user")
            return gpt, Vendor("openai", endpoints.openai.cloud)
        case "google":
            from workhand.models.wire.gemini import Gemini

            return Gemini(server), None
    return _openai_chat(server, endpoints.openai_chat), None


def _openai_chat(server: Server, stated: OpenAIChatEndpoint) -> Dialect:
    from workhand.models.wire.openai_chat import OpenAIChat

    official = server.base_url == OPENAI_URL
    return OpenAIChat(
        server,
        form=stated.tool_format,
        allowed_tools=official or stated.masks == "allowed_tools",
        tail_role=stated.tail_role or ("system" if official else "user"),
        cache_key=official,
        limit_name="max_completion_tokens" if official else "max_tokens",
        tagged=stated.masks if stated.masks in ("vllm", "sglang") else "",
    )


def _local(settings: ModelSettings) -> LocalModel:
    file = local_files.find(settings.cache)
    if file is None:
        raise ConfigError(
            f"The local model's file is not in {str(settings.cache)!r}; fetch it with `workhand models --pull` "
            f"({local_files.DOWNLOAD_BYTES // 1_000_000} MB)."
        )
    return LocalModel(
        file,
        settings.cache / "sessions",
        sessions_max=settings.local_sessions_max,
        window_tokens=settings.local_window_tokens,
    )
