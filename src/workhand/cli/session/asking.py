"""Databases that a session may ask: what programs in its machine want to know, this computer asks for them."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workhand.cli.settings import Settings
from workhand.data.address import filled
from workhand.data.registry import Entry
from workhand.errors import ConfigError, Denied

if TYPE_CHECKING:
    from workhand.data.postgres import Answer
    from workhand.guard.gatekeeper import Keeper
    from workhand.tools.errands import Reply, Tell

QUESTION_CHARS_MAX = 100_000
FORMS = ("csv", "json")


async def tables(settings: Settings, entry: Entry) -> Answer:
    """Give what can be read in a database.  Raises ``ServerFailed``, or ``ConfigError`` with the remedy."""
    from workhand.data import postgres

    return await postgres.tables(_address(settings, entry))


@dataclass(frozen=True, slots=True)
class Asked:
    """The data that a session has, for the program ``data`` in its machine."""

    settings: Settings
    entries: tuple[Entry, ...]
    keeper: Keeper | None


async def answer(session: Asked, request: Mapping[str, Any], payload: bytes, tell: Tell) -> Reply:
    """Do what the program asks for: list what there is, show a database, or ask it."""
    from workhand.data import postgres
    from workhand.tools.errands import Reply

    entries, keeper = session.entries, session.keeper
    if request.get("op") == "list":
        return Reply({"ok": True, "data": [{"name": each.name, **_told(each)} for each in entries]})
    entry = _database(entries, str(request.get("name")))
    address = _address(session.settings, entry)
    if request.get("op") == "show":
        _permit(keeper, entry, "its tables")
        found = await postgres.tables(address)
        return Reply({"ok": True, "rows": found.rows, "whole": found.whole}, (found.content,))
    text, form = payload.decode("utf-8", "replace"), request.get("form")
    if request.get("op") != "query" or form not in FORMS or len(text) > QUESTION_CHARS_MAX:
        raise ConfigError(f"A question is SQL of at most {QUESTION_CHARS_MAX:,} characters, answered as csv or json.")
    _permit(keeper, entry, text)
    found = await postgres.query(address, text, "json" if form == "json" else "csv")
    return Reply({"ok": True, "rows": found.rows, "whole": found.whole}, (found.content,))


def _told(entry: Entry) -> dict[str, str]:
    return {"kind": entry.kind, "description": entry.description, "inside": entry.inside}


def _database(entries: tuple[Entry, ...], name: str) -> Entry:
    databases = {each.name: each for each in entries if each.kind == "postgresql"}
    if name not in databases:
        raise ConfigError(f"There is no database {name!r}; there are {', '.join(databases) or 'none'}.")
    return databases[name]


def _permit(keeper: Keeper | None, entry: Entry, what: str) -> None:
    """Ask the rules about a database, as ``data:NAME``.  Raises ``Denied``."""
    if keeper is None:
        return
    ruling = keeper.use(f"data:{entry.name}", what, "data")
    if not ruling.allowed:
        raise Denied(f"Refused by rule {ruling.rule!r}: {ruling.reason}")


def _address(settings: Settings, entry: Entry) -> str:
    from workhand.cli.session.surroundings import readable

    if importlib.util.find_spec("psycopg") is None:
        raise ConfigError("To ask databases, this computer needs `pip install 'workhand[data]'`.")
    held = {each.secret.name: each.value.decode() for each in readable(settings)}
    return filled(entry.where, os.environ | held)
