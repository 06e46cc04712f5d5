"""The MCP servers that a person has named, read from the ``mcpServers`` JSON that other clients write.

    {"mcpServers": {
      "files":  {"command": "mcp-server-filesystem", "args": ["/data"], "env": {"TOKEN": "${KEY}"}, "cwd": "/data",
                 "sandbox": {"network": ["example.com"], "files": ["/data"], "write": ["/data/out"]}},
      "issues": {"type": "http", "url": "https://mcp.example.com/", "headers": {"Authorization": "Bearer ${KEY}"}}
    }}

Keys that only other clients know are left alone, and ``"disabled": true`` leaves a server out.  ``${NAME}``,
``${env:NAME}`` and ``${NAME:-default}`` stand for values.  They are filled in when a server is started and not
before, so that a value that is missing fails one server, and so that what is listed shows no secret.

``sandbox`` is ours: what the machine of a local server is given besides the server's program.  Without it that is
nothing; ``false`` runs the server on this computer, as the user.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from workhand import private
from workhand.errors import ConfigError

FILE_BYTES_MAX = 1_000_000
NAME_CHARS_MAX = 100
HTTP_TYPES = ("http", "streamable-http", "streamable_http", "streamableHttp")
BOX_KEYS = {"network", "files", "write"}
PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
STATED_IN_IT = re.compile(r"(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?")


@dataclass(frozen=True, slots=True)
class Box:
    """What a local server's machine is given besides the server's program."""

    network: str = "none"  # or "open", or hosts with commas between them
    files: tuple[str, ...] = ()  # to read
    write: tuple[str, ...] = ()  # to read and to write


@dataclass(frozen=True, slots=True)
class Local:
    """A server that is a program on this computer.  What may hold a secret is not shown."""

    name: str
    command: str
    arguments: tuple[str, ...] = field(default=(), repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    directory: str | None = None
    file: Path = Path("mcp.json")  # where it is stated
    box: Box | None = Box()  # none: it runs on this computer, as the user


@dataclass(frozen=True, slots=True)
class Remote:
    """A server that is reached by streamable HTTP.  What may hold a secret is not shown."""

    name: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    file: Path = Path("mcp.json")  # where it is stated


Server: TypeAlias = Local | Remote


@dataclass(frozen=True, slots=True)
class Filled:
    """A server whose placeholders are replaced, and the texts that no error may repeat."""

    server: Server
    hidden: tuple[str, ...] = field(repr=False)


def load(file: Path) -> tuple[Server, ...]:
    """Read the servers of a file; there are none without it.  Raises ``ConfigError``."""
    found = (read(file, name, stated) for name, stated in _section(_stated(file), file).items())
    return tuple(server for server in found if server is not None)


def add(file: Path, name: str, stated: Mapping[str, Any]) -> None:
    """State a server in a file, in place of one of the same name.  Raises ``ConfigError``."""
    read(file, name, stated)
    whole = _stated(file)
    _write(file, whole | {"mcpServers": {**_section(whole, file), name: dict(stated)}})


def remove(file: Path, name: str) -> None:
    """Take a server out of a file.  Raises ``ConfigError`` if it is not there."""
    whole = _stated(file)
    left = dict(_section(whole, file))
    if left.pop(name, None) is None:
        raise ConfigError(f"{str(file)!r} has no server {name!r}; `workhand mcp ls` lists those there are.")
    _write(file, whole | {"mcpServers": left})


def filled(server: Server, values: Mapping[str, str]) -> Filled:
    """Replace the placeholders of a server.  Raises ``ConfigError`` naming the one that has no value."""
    hidden: list[str] = []

    def fill(text: str) -> str:
        return PLACEHOLDER.sub(lambda found: value(found[1]), text)

    def value(inner: str) -> str:
        parts = STATED_IN_IT.fullmatch(inner)
        if parts is None:
            raise _fault(server.file, server.name, f"${{{inner}}} is no placeholder; write ${{NAME}}")
        found = values.get(parts[1], parts[2])
        if found is None:
            raise _fault(server.file, server.name, f"${{{parts[1]}}} has no value; set the variable {parts[1]}")
        hidden.append(found)
        return found

    match server:
        case Local():
            stated = {name: fill(text) for name, text in server.environment.items()}
            whole: Server = replace(
                server,
                command=fill(server.command),
                arguments=tuple(map(fill, server.arguments)),
                environment=stated,
                directory=None if server.directory is None else fill(server.directory),
                box=server.box and Box(server.box.network, *(tuple(map(fill, each)) for each in _lists(server.box))),
            )
        case Remote():
            stated = {name: fill(text) for name, text in server.headers.items()}
            whole = replace(server, url=fill(server.url), headers=stated)
            _check_url(whole)
    words = (word for text in stated.values() for word in text.split())
    return Filled(whole, tuple({*hidden, *stated.values(), *words}))


def _lists(box: Box) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return box.files, box.write


def read(file: Path, name: str, stated: Any) -> Server | None:
    """Read what is stated of one server; nothing if it is disabled.  Raises ``ConfigError``."""
    if not name.isprintable() or not 0 < len(name) <= NAME_CHARS_MAX:
        raise _fault(file, name, f"give it a name of 1 to {NAME_CHARS_MAX} printable characters")
    if not isinstance(stated, Mapping):
        raise _fault(file, name, f"{stated!r} is no object; write one with a command or a url")
    if stated.get("disabled") is True:
        return None
    kind = stated.get("type") or ("stdio" if "command" in stated else "http")
    if kind == "stdio":
        return Local(
            name,
            _text(file, name, stated, "command"),
            _texts(file, name, "args", stated.get("args")),
            _pairs(file, name, stated, "env"),
            _text(file, name, stated, "cwd") if stated.get("cwd") is not None else None,
            file,
            _box(file, name, stated.get("sandbox", True)),
        )
    if kind in HTTP_TYPES:
        return Remote(name, _text(file, name, stated, "url"), _pairs(file, name, stated, "headers"), file)
    raise _fault(file, name, f"its type {kind!r} is not known; there are stdio and http (streamable HTTP)")


def _text(file: Path, name: str, stated: Mapping[str, Any], key: str) -> str:
    found = stated.get(key)
    if not isinstance(found, str) or not found or "\0" in found:
        raise _fault(file, name, f"it needs a text under {key!r}")
    return found


def _box(file: Path, name: str, stated: Any) -> Box | None:
    if isinstance(stated, bool):
        return Box() if stated else None
    if not isinstance(stated, Mapping) or not set(stated) <= BOX_KEYS:
        raise _fault(file, name, f"its 'sandbox' must be false, or an object of {', '.join(sorted(BOX_KEYS))}")
    network = stated.get("network", "none")
    hosts = network if isinstance(network, str) else ",".join(_texts(file, name, "network", network)) or "none"
    return Box(hosts, *(_texts(file, name, key, stated.get(key)) for key in ("files", "write")))


def _texts(file: Path, name: str, key: str, found: Any) -> tuple[str, ...]:
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(each, str) and "\0" not in each for each in found):
        raise _fault(file, name, f"its {key!r} must be a list of texts")
    return tuple(found)


def _pairs(file: Path, name: str, stated: Mapping[str, Any], key: str) -> Mapping[str, str]:
    found = stated.get(key)
    if found is None:
        return {}
    if not isinstance(found, Mapping) or not all(isinstance(each, str) and "\0" not in each for each in found.values()):
        raise _fault(file, name, f"its {key!r} must be an object of texts; put quotes around numbers")
    return dict(found)


def _check_url(server: Remote) -> None:
    try:
        parts = urlsplit(server.url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise _fault(server.file, server.name, "its 'url' must begin with http:// or https:// and a host")


def _stated(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    if file.stat().st_size > FILE_BYTES_MAX:
        raise ConfigError(f"{str(file)!r} is longer than {FILE_BYTES_MAX:,} bytes; state fewer servers in it.")
    try:
        whole = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ConfigError(f"{str(file)!r} is not valid JSON: {error}; mend it there.") from error
    if not isinstance(whole, dict):
        raise ConfigError(f'{str(file)!r} is no JSON object; write {{"mcpServers": {{}}}} around the servers.')
    return whole


def _section(whole: Mapping[str, Any], file: Path) -> Mapping[str, Any]:
    section = whole.get("mcpServers", {})
    if not isinstance(section, dict):
        raise ConfigError(f"In {str(file)!r}, 'mcpServers' is no object; write the servers by name in it.")
    return section


def _write(file: Path, whole: Mapping[str, Any]) -> None:
    """Write the file, which may be a link to where other clients have it; people write secrets into it."""
    private.write(file.resolve(), (json.dumps(whole, indent=2, ensure_ascii=False) + "\n").encode())


def _fault(file: Path, name: str, what: str) -> ConfigError:
    return ConfigError(f"The MCP server {name!r} in {str(file)!r} cannot be used: {what}.")
