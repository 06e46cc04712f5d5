"""Find out what of this computer a server needs to be able to read so that it runs: its program, and no more.

A program is rarely one file.  A script needs the interpreter that its first line names, a virtual environment the
Python that it was made from, a package of Node the packages beside it.  Each is found by its mark, and what has no
mark is one file only, so that nothing else of somebody's home comes along.  What a server is to work on is no part
of it and has to be stated; where an argument names such a thing and nobody has shown it, that is said at once,
since the server itself could only say that it is not there.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from workhand.errors import ConfigError
from workhand.mcp.config import Local

ALWAYS = tuple(map(Path, ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/dev", "/proc")))
"""What every machine has of its own, or of its host."""
SHARED = frozenset(map(Path, ("/", "/tmp", "/var/tmp", "/home", "/root", "/etc", "/opt", "/mnt", "/srv", "/var")))
"""What holds much that has nothing to do with each other."""
INTERPRETERS = re.compile(r"(node|nodejs|deno|bun|ruby|perl|php|bash|sh|java|python[\d.]*)")
ELSEWHERE = frozenset({"-m", "-c", "-e"})  # after these comes no file
DOWNLOADING = frozenset({"npx", "bunx", "pnpx", "uvx", "uv", "pipx", "deno"})
CONTAINERS = frozenset({"docker", "podman", "nerdctl"})
FIRST_LINE_BYTES = 256
LINKS_MAX = 40


@dataclass(frozen=True, slots=True)
class Installed:
    """What to run, what has to be readable for that, and where programs are looked for first."""

    argv: tuple[str, ...]
    places: tuple[Path, ...]
    search: tuple[Path, ...]


def installed(server: Local) -> Installed:
    """Find the program of a server whose placeholders are replaced.  Raises ``OSError`` or ``ConfigError``."""
    assert server.box is not None
    command = Path(server.command).name
    if command in DOWNLOADING and server.box.network == "none":
        raise _fault(
            server,
            f"{command!r} downloads what it runs, and the server's machine has no network; install the server first "
            "and state its program, or let it reach the index with --network HOST, or run it on this computer with "
            "--no-sandbox",
        )
    if command in CONTAINERS:
        raise _fault(server, f"{command!r} starts a container itself, and cannot in a machine; state it --no-sandbox")
    path = _found(server.command, server.environment)
    search: list[Path] = []
    places = [*_program(path, server, search)]
    script = _script(path, server.arguments)
    if script is not None:
        places += _of_script(script)
    return Installed((str(path), *server.arguments), _outermost(places), tuple(dict.fromkeys(search)))


def check_shown(server: Local, places: tuple[Path, ...]) -> None:
    """See that a server is shown what its arguments, variables and directory name.  Raises ``ConfigError``."""
    values = [
        (f"its argument {each!r}", each.partition("=")[2] if each[:1] == "-" else each) for each in server.arguments
    ]
    values += [(f"its variable {name!r}", value) for name, value in server.environment.items() if name != "PATH"]
    values += [(f"its directory {server.directory!r}", server.directory or "")]
    for what, value in values:
        path = Path(value)
        if path.is_absolute() and path not in SHARED and _exists(path) and not _within(path, (*ALWAYS, *places)):
            raise _fault(server, f"{what} names a place that is not shown; add it with --read or --write")


def _exists(path: Path) -> bool:
    """Say whether something is there, or could be made there."""
    return os.path.lexists(path) or (path.parent.is_dir() and path.parent not in SHARED)


def _found(command: str, environment: Mapping[str, str]) -> Path:
    path = shutil.which(command, path=environment.get("PATH") or os.environ.get("PATH", os.defpath))
    if path is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command)
    return Path(path).absolute()


def _program(path: Path, server: Local, search: list[Path], depth: int = 0) -> Iterator[Path]:
    """Give what a program needs: where it and all that it links to are installed, and its interpreter."""
    if path.parent.name == "shims":
        raise _fault(server, f"{str(path)!r} only chooses a program; state the one that it chooses")
    links = _links(path)
    for each in links:
        yield from _place(each)
    interpreter = _interpreter(links[-1], server.environment)
    if interpreter is not None and depth < LINKS_MAX:
        search.append(interpreter.parent)
        yield from _program(interpreter, server, search, depth + 1)


def _links(path: Path) -> list[Path]:
    """Follow a program's links one by one: what a link in a virtual environment leads to is not in it."""
    found = [path]
    while found[-1].is_symlink() and len(found) < LINKS_MAX:
        found.append(Path(os.path.normpath(found[-1].parent / os.readlink(found[-1]))))
    resolved = path.resolve()
    return found if found[-1] == resolved else [*found, resolved]


def _place(path: Path) -> Iterator[Path]:
    """Give what belongs to a file that is run, by the mark of what it is part of."""
    prefix = path.parent.parent
    if (prefix / "pyvenv.cfg").is_file():
        yield prefix
        yield from _base(prefix / "pyvenv.cfg")
    elif (packages := _packages(path)) is not None:
        yield packages
    elif path.parent.name == "bin" and any(any((prefix / "lib").glob(mark)) for mark in ("python3*", "node_modules")):
        yield from (path.parent, prefix / "lib")
    else:
        yield path


def _base(settings: Path) -> Iterator[Path]:
    """Give the Python that a virtual environment was made from."""
    stated = re.search(r"^home\s*=\s*(.+)$", settings.read_text("utf-8", "replace"), re.MULTILINE)
    if stated is not None:
        for directory in dict.fromkeys((Path(stated[1].strip()), Path(stated[1].strip()).resolve())):
            yield from (each for each in (directory, directory.parent / "lib") if each.is_dir())


def _packages(path: Path) -> Path | None:
    """Give the outermost directory of packages of Node that a file is in."""
    within = [each for each in path.parents if each.name == "node_modules"]
    return within[-1] if within else None


def _interpreter(path: Path, environment: Mapping[str, str]) -> Path | None:
    """Give the program that the first line of a script names."""
    with path.open("rb") as file:
        first = file.read(FIRST_LINE_BYTES).partition(b"\n")[0].decode("utf-8", "replace")
    words = first[2:].split() if first.startswith("#!") else []
    if words and Path(words[0]).name == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return _found(words[0], environment) if words else None


def _script(path: Path, arguments: tuple[str, ...]) -> Path | None:
    """Give the file that an interpreter is told to run."""
    if INTERPRETERS.fullmatch(path.name) is None:
        return None
    for each in arguments:
        if each in ELSEWHERE:
            break
        if not each.startswith("-") and Path(each).is_absolute() and Path(each).is_file():
            return Path(each)
    return None


def _of_script(script: Path) -> Iterator[Path]:
    """Give what a script is part of: a package of Node, a project of its own, or the directory that it lies in."""
    for each in _links(script):
        found = [*_place(each)]
        if found != [each]:
            yield from found
            continue
        project = next((above for above in each.parents if (above / "package.json").is_file()), each.parent)
        yield each if _is_wide(project) else project


def _is_wide(path: Path) -> bool:
    home = Path.home()
    return path in SHARED or path == home or path in home.parents


def _outermost(places: list[Path]) -> tuple[Path, ...]:
    """Leave out what every machine has, and what is within something else."""
    found: list[Path] = []
    for place in sorted(set(places)):
        if not _within(place, (*ALWAYS, *found)):
            found.append(place)
    return tuple(found)


def _within(path: Path, places: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(place) for place in places)


def _fault(server: Local, what: str) -> ConfigError:
    return ConfigError(f"The MCP server {server.name!r} cannot be started in a machine of its own: {what}.")
