"""Files of recorded sessions: which of them a person means, and which format each of them is in.

A format is told from the content, never from a name.  What is read is bounded, so
that a wrong path costs a sentence and not the machine's memory.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from workhand.errors import ConfigError
from workhand.lab.formats import anthropic, atif, claude_code, codex, openai, openhands, trajectory, workhand
from workhand.lab.formats.faults import Read
from workhand.lab.formats.records import parse

BYTES_MAX = 1 << 30  # of one file, unpacked
FILES_MAX = 100_000

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_NAMES = re.compile(r".+\.(?:(?:json|jsonl|ndjson)(?:\.gz)?|zip|workhand)", re.IGNORECASE)
_EVENT_FILE = re.compile(r"event-\d+.*\.json|\d+\.json")  # OpenHands keeps an event a file
_EVENT_FOLDERS = frozenset({"events", "event_cache"})
_SAMPLE_LINES = 200
_CHUNK_BYTES = 1 << 16


class _Format(NamedTuple):
    name: str
    knows: Callable[[list[object]], bool]
    read: Callable[[str, str], Read]


FORMATS = (  # the order in which they are asked: the most telling first
    _Format("trajectory-v1", trajectory.knows, lambda text, name: trajectory.read(text.split("\n"), name)),
    _Format("workhand", workhand.knows, workhand.read),
    _Format("codex", codex.knows, codex.read),
    _Format("claude-code", claude_code.knows, claude_code.read),
    _Format("atif", atif.knows, atif.read),
    _Format("openhands", openhands.knows, openhands.read),
    _Format("anthropic", anthropic.knows, anthropic.read),
    _Format("openai", openai.knows, openai.read),
)


def paths(given: Iterable[Path]) -> list[Path]:
    """Give the files that are meant: those given, and of folders all with a fitting name below them, sorted.

    A folder of OpenHands' events stands for the session they are.
    """
    found: dict[Path, None] = {}
    for path in given:
        if not path.exists():
            raise ConfigError(f"There is nothing at {str(path)!r}; give files or folders that exist.")
        for each in _below(path) if path.is_dir() else [path]:
            found[each] = None
            if len(found) > FILES_MAX:
                raise ConfigError(f"There are more than {FILES_MAX:,} files below {str(path)!r}; give a part of them.")
    return list(found)


def read_file(path: Path, *, bytes_max: int = BYTES_MAX) -> Read:
    """Read one file, or one folder of OpenHands' events.  Raises ``ConfigError`` if it is in no known format."""
    name = _stem(path)
    if path.is_dir():
        return read_text("\n".join(_events(path, bytes_max)), name, str(path))
    content = _content(path, bytes_max)
    if content.startswith(_ZIP):
        read = workhand.read_archive(content, name, bytes_max=bytes_max)
        if read is None:
            raise _unknown(str(path))
        return replace(read, format="workhand")
    text = content.decode(errors="replace")
    del content  # a large file is held once
    return read_text(text, name, str(path))


def read_text(text: str, name: str, where: str) -> Read:
    """Read a text in any of the formats; ``where`` is what an error calls it."""
    for sample in (_beginning(text), text):
        values = [value for _, value in parse(sample).values]
        for format in FORMATS:
            if format.knows(values):
                return replace(format.read(text, name), format=format.name)
    raise _unknown(where)


def _beginning(text: str) -> str:
    """Give as many lines as tell the format of almost every file."""
    return "\n".join(text.split("\n", _SAMPLE_LINES)[:_SAMPLE_LINES])


def _below(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise ConfigError(f"The folder {str(folder)!r} cannot be read: {error.strerror}.") from error
    if folder.name in _EVENT_FOLDERS and any(_EVENT_FILE.fullmatch(entry.name) for entry in entries):
        yield folder
        return
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            yield from _below(entry)
        elif _NAMES.fullmatch(entry.name) and entry.is_file():
            yield entry


def _events(folder: Path, bytes_max: int) -> Iterator[str]:
    """Give each event of a folder in a line, in the order of their numbers."""
    files = [path for path in folder.iterdir() if _EVENT_FILE.fullmatch(path.name)]
    left = bytes_max
    for path in sorted(files, key=lambda path: (int(re.findall(r"\d+", path.name)[0]), path.name)):
        content = _content(path, left)
        left -= len(content)
        yield " ".join(content.decode(errors="replace").split("\n"))
    if not files:
        raise _unknown(str(folder))


def _content(path: Path, bytes_max: int) -> bytes:
    """Give what is in a file, unpacked if it is packed with gzip."""
    try:
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
        if content.startswith(_GZIP):
            content = _unpacked(path, bytes_max)
    except OSError as error:
        raise ConfigError(f"The file {str(path)!r} cannot be read: {error}; give another one.") from error
    if len(content) > bytes_max:
        raise ConfigError(f"The file {str(path)!r} has more than {bytes_max:,} bytes; give it in parts.")
    return content


def _unpacked(path: Path, bytes_max: int) -> bytes:
    """Unpack a file; of one that is cut or damaged, give what comes before that."""
    chunks: list[bytes] = []
    left = bytes_max + 1
    with gzip.open(path) as packed:
        try:
            while left and (chunk := packed.read(min(left, _CHUNK_BYTES))):
                chunks.append(chunk)
                left -= len(chunk)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            if not chunks:
                raise OSError("it cannot be unpacked") from None
    return b"".join(chunks)


def _stem(path: Path) -> str:
    if path.name in _EVENT_FOLDERS:  # the session is the folder above
        return path.absolute().parent.name
    return re.sub(r"(\.(json|jsonl|ndjson|gz|zip|workhand))+$", "", path.name, flags=re.IGNORECASE) or path.name


def _unknown(where: str) -> ConfigError:
    names = ", ".join(format.name for format in FORMATS)
    return ConfigError(f"The file {where!r} is in no format that is known here; there are {names}.")
