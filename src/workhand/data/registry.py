"""The data that a person has named for sessions: directories, files and databases, in one file of theirs.

    {"data": {"sales": {"kind": "directory", "where": "/srv/sales", "description": "Orders by day, since 2019."},
              "shop": {"kind": "postgresql", "where": "postgresql://reader:${SHOP_KEY}@db.example.com/shop"}}}

A machine shows a directory or a file at a place of its own, to be read only; a database is asked by the host for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from workhand import private
from workhand.errors import ConfigError

Kind: TypeAlias = Literal["directory", "file", "postgresql"]

FILE = "data.json"  # below the home
INSIDE = "/mnt/data"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
FILE_BYTES_MAX = 1_000_000
ENTRIES_MAX = 100
DESCRIPTION_CHARS_MAX = 300
INTRODUCTION = "Data of the user's is at hand, to be read only:"


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    kind: Kind
    where: str
    description: str = ""

    @property
    def shown_at(self) -> str:
        """Where a machine shows the directory, or the one with the file in it."""
        return f"{INSIDE}/{self.name}"

    @property
    def inside(self) -> str:
        """Where the data itself is in a machine, or how it is asked there."""
        if self.kind == "postgresql":
            return f"`data show {self.name}`, `data query {self.name} SQL`"
        return self.shown_at if self.kind == "directory" else f"{self.shown_at}/{Path(self.where).name}"


def load(file: Path) -> tuple[Entry, ...]:
    """Read the entries of a file, by name; there are none without it.  Raises ``ConfigError``."""
    return tuple(_entry(file, name, stated) for name, stated in sorted(_section(file).items()))


def one(file: Path, name: str) -> Entry:
    """Give the entry of a name.  Raises ``ConfigError`` if there is none."""
    for entry in load(file):
        if entry.name == name:
            return entry
    raise ConfigError(f"There is no data {name!r}; `workhand data ls` lists what there is.")


def add(file: Path, entry: Entry) -> None:
    """State an entry in a file.  Raises ``ConfigError`` if its name is taken, or is none."""
    if not NAME.fullmatch(entry.name):
        raise ConfigError(f"The name {entry.name!r} is not one of letters, digits and -_. such as sales-2026.")
    known = _section(file)
    if entry.name in known:
        raise ConfigError(f"There is data {entry.name!r} already; `workhand data remove {entry.name}` removes it.")
    if len(known) >= ENTRIES_MAX:
        raise ConfigError(f"There are {ENTRIES_MAX} entries already; remove one with `workhand data remove NAME`.")
    stated = {key: value for key, value in asdict(entry).items() if value and key != "name"}
    _write(file, {"data": {**known, entry.name: stated}})


def remove(file: Path, name: str) -> None:
    """Take an entry out of a file.  Raises ``ConfigError`` if it is not there."""
    left = dict(_section(file))
    if left.pop(name, None) is None:
        raise ConfigError(f"There is no data {name!r}; `workhand data ls` lists what there is.")
    _write(file, {"data": left})


def listed(entries: tuple[Entry, ...]) -> str:
    """Introduce data to the model; nothing if there is none."""
    lines = [f"- {each.name}: {each.description or f'A {each.kind}.'} ({each.inside})" for each in entries]
    return "\n".join([INTRODUCTION, *lines]) if lines else ""


def described(text: str) -> str:
    """Give a description as one line of bounded length."""
    return " ".join(text.split())[:DESCRIPTION_CHARS_MAX]


def _section(file: Path) -> Mapping[str, Any]:
    if not file.exists():
        return {}
    if file.stat().st_size > FILE_BYTES_MAX:
        raise ConfigError(f"{str(file)!r} is longer than {FILE_BYTES_MAX:,} bytes; state less data in it.")
    try:
        section = json.loads(file.read_text("utf-8"))["data"]
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f'{str(file)!r} is not like {{"data": {{"NAME": ...}}}}; mend it there.') from error
    if not isinstance(section, dict):
        raise ConfigError(f"In {str(file)!r}, 'data' is no object; write the entries by name in it.")
    return section


def _entry(file: Path, name: str, stated: Any) -> Entry:
    known = stated if isinstance(stated, dict) else {}
    kind, where, description = (known.get(key, "") for key in ("kind", "where", "description"))
    usable = NAME.fullmatch(name) and kind in get_args(Kind) and isinstance(where, str) and where
    if not usable or not isinstance(description, str):
        raise ConfigError(f"The data {name!r} in {str(file)!r} cannot be used; add it with `workhand data add`.")
    return Entry(name, kind, where, described(description))


def _write(file: Path, whole: Mapping[str, Any]) -> None:
    private.write(file, (json.dumps(whole, indent=2, ensure_ascii=False) + "\n").encode())
