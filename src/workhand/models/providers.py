"""The models there are, by ``provider:name``, and how one is made.

``local`` runs on this machine, ``openai-chat:NAME`` asks any server of the Chat
Completions API, and ``script:FILE`` reads its answers from a file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

from workhand.errors import ConfigError
from workhand.models import local_files
from workhand.models.hosted import HostedModel, Patience
from workhand.models.local import LocalModel
from workhand.models.script import ScriptModel, read_script
from workhand.models.wire.dialect import Server
from workhand.models.wire.openai_chat import OpenAIChat

Kind: TypeAlias = Literal["local", "openai-chat", "script"]
OpenableModel: TypeAlias = LocalModel | HostedModel | ScriptModel
"""A ``Model`` that is an async context manager, and can be asked for its ``window()``."""

_OPENAI = "https://api.openai.com/"


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
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    form: Literal["auto", "native", "json"] = "auto"
    allowed_tools: bool | None = None  # None: only where it is known to work
    tail_role: Literal["system", "user"] | None = None  # None: many chat templates want only one system message
    patience: Patience = field(default_factory=Patience)
    local_sessions_max: int = 2
    local_window_tokens: int = 8_192


def parse(text: str) -> Provider:
    """Read ``provider:name``.  Raises ``ConfigError`` with the providers there are."""
    kind, _, name = text.partition(":")
    if kind not in get_args(Kind):
        raise ConfigError(f"There is no model provider {kind!r}; there are local, openai-chat:NAME and script:FILE.")
    if kind != "local" and not name:
        raise ConfigError(f"The model {text!r} lacks a name; write {kind}:{'FILE' if kind == 'script' else 'NAME'}.")
    if kind == "local" and name not in ("", local_files.MODEL):
        raise ConfigError(f"There is no local model {name!r}; write local.")
    return Provider(cast(Kind, kind), name)


def build(provider: Provider, settings: ModelSettings) -> OpenableModel:
    """Make a model.  It does nothing before it is entered, except that files are looked for and checked."""
    match provider.kind:
        case "local":
            return _local(settings)
        case "openai-chat":
            return HostedModel(_openai_chat(provider.name, settings), patience=settings.patience)
        case "script":
            return read_script(Path(provider.name))


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


def _openai_chat(name: str, settings: ModelSettings) -> OpenAIChat:
    if not settings.base_url.startswith(("http://", "https://")):
        raise ConfigError(
            f"The model openai-chat:{name} needs `base_url`, such as https://HOST/v1, not {settings.base_url!r}."
        )
    official = settings.base_url.startswith(_OPENAI)
    return OpenAIChat(
        Server("openai-chat", settings.base_url, name, settings.api_key),
        form=settings.form,
        allowed_tools=official if settings.allowed_tools is None else settings.allowed_tools,
        tail_role=settings.tail_role or ("system" if official else "user"),
        cache_key=official,
        limit_name="max_completion_tokens" if official else "max_tokens",
    )
