"""What a person has set: one TOML file and the environment, read here and nowhere else.

The file is ``$WORKHAND_CONFIG``, or ``~/.config/workhand/config.toml``:

    model = "openai-chat:gpt-6.1-sol"     # what `workhand run` uses without --model
    home = "~/.local/share/workhand"      # sessions and the database
    cache = "~/.cache/workhand"           # the embedded model

    [openai-chat]
    base_url = "https://api.openai.com/v1"
    api_key = "..."                       # or, better, in $OPENAI_API_KEY
    window_tokens = 200000                # use no more; needed where the server does not tell
    pre_rot_tokens = 128000               # where the model's quality falls
    tool_format = "auto"                  # or "native", "json"

    [context]                             # how new sessions keep their context; see docs/context-engine.md
    summaries = true
    theta = 0.75

The environment wins over the file: ``WORKHAND_MODEL``, ``WORKHAND_HOME``,
``WORKHAND_CACHE``, ``OPENAI_BASE_URL``, ``OPENAI_API_KEY``.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

from workhand.core.policy import Rules
from workhand.errors import ConfigError

HOME = Path("~/.local/share/workhand")
CACHE = Path("~/.cache/workhand")


@dataclass(frozen=True, slots=True)
class OpenAIChat:
    base_url: str = "https://api.openai.com/v1"
    api_key: str = field(default="", repr=False)
    window_tokens: int = 0  # 0: what the server tells
    pre_rot_tokens: int = 0  # 0: the default
    tool_format: Literal["auto", "native", "json"] = "auto"


@dataclass(frozen=True, slots=True)
class Settings:
    model: str = ""
    home: Path = HOME
    cache: Path = CACHE
    openai_chat: OpenAIChat = OpenAIChat()
    context: Rules = field(default_factory=Rules)
    file: Path | None = None  # where settings were read from, if there is a file

    @property
    def database(self) -> Path:
        return self.home / "workhand.db"

    def session_directory(self, session: str) -> Path:
        return self.home / "sessions" / session


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.  Raises ``ConfigError`` naming the file, the key and the remedy."""
    env = os.environ if environment is None else environment
    stated = _read(_file(env), required="WORKHAND_CONFIG" in env)
    chat = replace(
        stated.openai_chat,
        base_url=env.get("OPENAI_BASE_URL") or stated.openai_chat.base_url,
        api_key=env.get("OPENAI_API_KEY") or stated.openai_chat.api_key,
    )
    home = Path(env.get("WORKHAND_HOME") or _default(stated.home, HOME, env.get("XDG_DATA_HOME")))
    cache = Path(env.get("WORKHAND_CACHE") or _default(stated.cache, CACHE, env.get("XDG_CACHE_HOME")))
    return replace(
        stated,
        model=env.get("WORKHAND_MODEL") or stated.model,
        home=home.expanduser().absolute(),
        cache=cache.expanduser().absolute(),
        openai_chat=chat,
    )


def _file(env: Mapping[str, str]) -> Path:
    base = Path(env.get("XDG_CONFIG_HOME") or "~/.config")
    return Path(env.get("WORKHAND_CONFIG") or base / "workhand" / "config.toml").expanduser()


def _default(chosen: Path, default: Path, base: str | None) -> Path:
    """Move a default below the base directory that the environment names."""
    return Path(base) / "workhand" if base and chosen == default else chosen


def _read(file: Path, *, required: bool) -> Settings:
    from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

    if not file.is_file():
        if required:
            raise ConfigError(f"WORKHAND_CONFIG names {str(file)!r}, which is no file; make it or unset the variable.")
        return Settings()
    try:
        stated = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The settings file {str(file)!r} is not valid TOML: {error}.") from error
    stated = {key.replace("-", "_"): value for key, value in stated.items()} | {"file": file}
    for kind in (OpenAIChat, Rules, Settings):
        with_config(ConfigDict(extra="forbid"))(kind)
    try:
        return TypeAdapter(Settings).validate_python(stated)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])).replace("openai_chat", "openai-chat")
        if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            kind = Rules if key.startswith("context.") else OpenAIChat if "." in key else Settings
            known = ", ".join(each.name.replace("_chat", "-chat") for each in fields(kind) if each.name != "file")
            raise ConfigError(f"The settings file {str(file)!r} has no key {key!r}; there are {known}.") from error
        raise ConfigError(f"The settings file {str(file)!r}: {key}: {first['msg'].lower()}.") from error
