"""What a person has set: one TOML file and the environment, read here and nowhere else.

The file is ``$WORKHAND_CONFIG``, or ``~/.config/workhand/config.toml``:

    model = "anthropic:claude-opus-5-5"   # what `workhand run` uses without --model
    home = "~/.local/share/workhand"      # sessions and the database
    cache = "~/.cache/workhand"           # the embedded model
    isolation = "namespace"               # the least that sessions accept: none, namespace, kernel, vm
    network = "none"                      # or "open", or hosts with commas between them: see docs/security.md
    approvals = "approvals.toml"          # rules for what needs a yes; beside this file if it is no absolute path
    image = "small"                       # the system inside, from `workhand sandbox image`; without it: the host's
    snapshot_bytes_max = 1073741824       # of all that is kept of one workspace, so that it can go back; 0: nothing is
    suspended_bytes_max = 2147483648      # of all that runs in the machines of sessions at rest; 0: nothing is kept

    opener = "firefox"                    # what `workhand open` shows pictures and pages with; else $BROWSER, xdg-open

    [routes]                              # by purpose: a model, or one and those to fall back on
    act = ["anthropic:claude-opus-5-5", "openai:gpt-6.1-sol"]
    summarise = "anthropic:claude-haiku-5-5"

    [anthropic]                           # and [openai], [google], [openai-chat]: see docs/models.md
    api_key = "..."                       # or, better, in $ANTHROPIC_API_KEY
    window_tokens = 200000                # use no more

    [openai-chat]
    base_url = "http://127.0.0.1:8000/v1"
    tool_format = "auto"                  # or "native", "json"

    [figures."openai-chat:my-model"]      # what no price list has: US dollars per million tokens, and lengths
    input = 0.5
    output = 2.0

    elsewhere = "e2b"                     # open machines at a service that speaks the E2B API, not here

    [e2b]
    key = "..."                           # or, better, in $E2B_API_KEY

    [search]                              # what search_web asks: brave, tavily, exa, searxng, ddgs, or a folder
    service = "brave"
    key = "..."                           # or, better, in $WORKHAND_SEARCH_KEY

    [packages]                            # what `pip install` in a machine gets: see docs/packages.md
    index = "https://mirror.example/python"   # else the one that pip on this computer asks
    network = false                       # true, false, or by the network of the session: whether the index is asked
    sdists = false                        # whether sources are offered, too, which are built in the machine
    cache_bytes_max = 4294967296          # of all that is kept

    [transcribe]                          # what recognises speech in a machine: {file} is the sound, {model} the folder
    command = "whisper-cli -m {model}/ggml-base.bin -f {file} -np -nt"
    model = "~/models/whisper"

    [machine]                             # what a session's machine may use; see docs/sandbox.md
    memory_bytes = 2147483648
    disk_bytes = 10737418240

    [context]                             # how new sessions keep their context; see docs/context-engine.md
    summaries = true
    theta = 1.0

The environment wins over the file: ``WORKHAND_MODEL``, ``WORKHAND_HOME``, ``WORKHAND_CACHE``, and
each provider's own variables (``KEYS`` and ``URLS``).  ``WORKHAND_PASSPHRASE`` is set there only.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from workhand.core.policy import Isolation, Purpose, Rules
from workhand.errors import ConfigError
from workhand.models.endpoints import Endpoints
from workhand.models.figures import Figures
from workhand.sandbox.limits import SandboxLimits
from workhand.sandbox.remote import Service

if TYPE_CHECKING:
    from workhand.sandbox.suspension import Suspended

NOT_STATED = ("file", "endpoints", "passphrase")  # fields that are no keys of the file
HOME = Path("~/.local/share/workhand")
CACHE = Path("~/.cache/workhand")


KEYS = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "google": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "openai_chat": ("OPENAI_API_KEY",),
}
URLS = {
    "anthropic": ("ANTHROPIC_BASE_URL",),
    "openai": ("OPENAI_BASE_URL",),
    "google": ("GOOGLE_GEMINI_BASE_URL",),
    "openai_chat": ("OPENAI_BASE_URL",),
}
"""Variables of the environment, by provider; the first one that is set counts."""


@dataclass(frozen=True, slots=True)
class Searching:
    """Who answers searches: a service with its key, or a folder of documents on this computer."""

    service: Literal["", "brave", "tavily", "exa", "searxng", "ddgs"] = ""
    key: str = field(default="", repr=False)
    base_url: str = ""
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Packaging:
    """Where packages of Python come from, and when the index is asked; by default when the session has a network."""

    index: str = ""
    network: bool | None = None
    sdists: bool = False
    cache_bytes_max: int = 4 << 30


@dataclass(frozen=True, slots=True)
class Transcribing:
    """What recognises speech inside a machine: a command with ``{file}``, and ``{model}`` for a folder shown there."""

    command: str = ""
    model: Path | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    model: str = ""
    home: Path = HOME
    cache: Path = CACHE
    routes: Mapping[Purpose, tuple[str, ...]] = field(default_factory=dict)
    endpoints: Endpoints = field(default_factory=Endpoints)
    figures: Mapping[str, Figures] = field(default_factory=dict)  # by "provider:name"
    context: Rules = field(default_factory=Rules)
    machine: SandboxLimits = field(default_factory=SandboxLimits)
    isolation: Isolation = "namespace"
    network: str = "none"
    approvals: Path | None = None
    snapshot_bytes_max: int = 1 << 30
    suspended_bytes_max: int = 2 << 30
    image: Literal["", "small", "full"] = ""  # the system inside; without one, the host's own programs
    elsewhere: Literal["", "e2b"] = ""  # where machines are opened, if not on this host
    e2b: Service = field(default_factory=Service)
    search: Searching = field(default_factory=Searching)
    packages: Packaging = field(default_factory=Packaging)
    transcribe: Transcribing = field(default_factory=Transcribing)
    opener: str = ""  # what `workhand open` shows pictures and pages with
    passphrase: str = field(default="", repr=False)  # of the secrets; of the environment only
    file: Path | None = None  # where settings were read from, if there is a file

    @property
    def database(self) -> Path:
        return self.home / "workhand.db"

    @property
    def snapshots(self) -> Path:
        return self.home / "snapshots"

    @property
    def suspended(self) -> Suspended:
        """The machines of sessions at rest."""
        from workhand.sandbox.suspension import Suspended

        return Suspended(self.home / "suspended", self.suspended_bytes_max)

    def session_directory(self, session: str) -> Path:
        return self.home / "sessions" / session


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.  Raises ``ConfigError`` naming the file, the key and the remedy."""
    env = os.environ if environment is None else environment
    stated = _read(_file(env), required="WORKHAND_CONFIG" in env)
    home = Path(env.get("WORKHAND_HOME") or _default(stated.home, HOME, env.get("XDG_DATA_HOME")))
    cache = Path(env.get("WORKHAND_CACHE") or _default(stated.cache, CACHE, env.get("XDG_CACHE_HOME")))
    return replace(
        stated,
        model=env.get("WORKHAND_MODEL") or stated.model or next(iter(stated.routes.get("act", ())), ""),
        home=home.expanduser().absolute(),
        cache=cache.expanduser().absolute(),
        endpoints=_endpoints(stated.endpoints, env),
        search=replace(stated.search, key=env.get("WORKHAND_SEARCH_KEY") or stated.search.key),
        packages=replace(stated.packages, index=stated.packages.index or env.get("PIP_INDEX_URL", "")),
        e2b=replace(stated.e2b, key=env.get("E2B_API_KEY") or stated.e2b.key),
        opener=stated.opener or _opener(env),
        passphrase=env.get("WORKHAND_PASSPHRASE", ""),
    )


def _file(env: Mapping[str, str]) -> Path:
    base = Path(env.get("XDG_CONFIG_HOME") or "~/.config")
    return Path(env.get("WORKHAND_CONFIG") or base / "workhand" / "config.toml").expanduser()


def _opener(env: Mapping[str, str]) -> str:
    """Give the command that shows a file to a person who has stated none."""
    named = env.get("BROWSER", "").split(os.pathsep)[0]
    return named or ("xdg-open" if env.get("DISPLAY") or env.get("WAYLAND_DISPLAY") else "")


def _default(chosen: Path, default: Path, base: str | None) -> Path:
    """Move a default below the base directory that the environment names."""
    return Path(base) / "workhand" if base and chosen == default else chosen


def _endpoints(stated: Endpoints, env: Mapping[str, str]) -> Endpoints:
    """Let the environment win over what is stated of each provider."""
    found: dict[str, Any] = {}
    for name, keys in KEYS.items():
        endpoint = getattr(stated, name)
        key = next(filter(None, map(env.get, keys)), endpoint.api_key)
        url = next(filter(None, map(env.get, URLS[name])), endpoint.base_url)
        found[name] = replace(endpoint, api_key=key, base_url=url)
    return Endpoints(**found)


def _read(file: Path, *, required: bool) -> Settings:
    if not file.is_file():
        if required:
            raise ConfigError(f"WORKHAND_CONFIG names {str(file)!r}, which is no file; make it or unset the variable.")
        return Settings()
    try:
        stated = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The settings file {str(file)!r} is not valid TOML: {error}.") from error
    return _validated(stated, file)


def _validated(stated: dict[str, Any], file: Path) -> Settings:
    from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

    if "passphrase" in stated:
        raise ConfigError(
            f"The settings file {str(file)!r} has a passphrase, and one that lies beside what it protects protects "
            "nothing; set WORKHAND_PASSPHRASE instead."
        )
    sections = {each.name: type(each.default) for each in fields(Endpoints)}
    for kind in (
        *sections.values(),
        Endpoints,
        Figures,
        Packaging,
        Rules,
        SandboxLimits,
        Searching,
        Service,
        Settings,
        Transcribing,
    ):
        with_config(ConfigDict(extra="forbid"))(kind)
    endpoints = {name: stated.pop(_written(name)) for name in sections if _written(name) in stated}
    routes = stated.get("routes")
    if isinstance(routes, dict):
        stated["routes"] = {key: (each,) if isinstance(each, str) else each for key, each in routes.items()}
    try:
        return TypeAdapter(Settings).validate_python(stated | {"file": file, "endpoints": endpoints})
    except ValidationError as error:
        raise _fault(error.errors()[0], file) from error


def _fault(first: Mapping[str, Any], file: Path) -> ConfigError:
    """Say what is wrong with a value of the settings file, in its own words."""
    place = [str(each) for each in first["loc"] if each not in ("endpoints", "[key]")]
    key = ".".join([_written(place[0]), *place[1:]])
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = ", ".join(_known(tuple(map(str, first["loc"][:-1]))))
        return ConfigError(f"The settings file {str(file)!r} has no key {key!r}; there are {known}.")
    return ConfigError(f"The settings file {str(file)!r}: {key}: {first['msg'].lower()}.")


def _known(place: tuple[str, ...]) -> list[str]:
    """Give the keys that there are at a place of the settings file."""
    match place:
        case ("endpoints", section):
            kind: object = getattr(Endpoints(), section)
        case ("context",):
            kind = Rules()
        case ("machine",):
            kind = SandboxLimits()
        case ("e2b",):
            kind = Service()
        case ("search",):
            kind = Searching()
        case ("packages",):
            kind = Packaging()
        case ("transcribe",):
            kind = Transcribing()
        case ("figures", _):
            kind = Figures()
        case _:
            sections = [_written(each.name) for each in fields(Endpoints)]
            return [each.name for each in fields(Settings) if each.name not in NOT_STATED] + sections
    assert is_dataclass(kind)
    return [each.name for each in fields(kind)]


def _written(name: str) -> str:
    """Give the name of a section as it is written in the file."""
    return name.replace("_", "-")
