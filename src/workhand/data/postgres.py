"""Ask a PostgreSQL database something that changes nothing, and give the answer as CSV or as lines of JSON.

What may be asked is decided by the database, and not by reading SQL.  The question is the only statement of a message
of the extended protocol, which takes one; it is asked in a transaction that was begun read-only and has read already,
so that it cannot be made anything else; and that is never committed.  What such a transaction does not hold back are
files and programs of the database's host, for which a role needs to be a superuser or a member of certain roles: with
such a role nothing is asked at all.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import anyio

from workhand.errors import ConfigError, ServerFailed

if TYPE_CHECKING:
    from psycopg import AsyncConnection, AsyncCursor

Form: TypeAlias = Literal["csv", "json"]
CONNECT_S = 10
GRACE_S = 5.0  # for the database to end by itself what took too long
TABLES_MAX = 1_000
MIGHTY = """
SELECT rolname FROM pg_roles WHERE rolname = current_user AND rolsuper UNION ALL
SELECT r.rolname FROM pg_roles r WHERE r.rolname = ANY (
    ARRAY['pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files', 'pg_signal_backend'])
AND pg_has_role(current_user, r.oid, 'member')
"""
TABLES = f"""
SELECT n.nspname AS schema, c.relname AS table, greatest(c.reltuples, 0)::bigint AS rows,
    string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum) AS columns,
    obj_description(c.oid, 'pg_class') AS comment
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind = ANY (ARRAY['r', 'v', 'm', 'p', 'f']::"char"[])
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    AND has_schema_privilege(n.oid, 'usage') AND has_any_column_privilege(c.oid, 'select')
GROUP BY n.nspname, c.oid, c.relname, c.reltuples ORDER BY 1, 2 LIMIT {TABLES_MAX}
"""
NUMBERS = frozenset({20, 21, 23, 26, 700, 701, 1700})  # the types of PostgreSQL, by their number
BOOLEAN, JSONS = 16, frozenset({114, 3802})
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is taken of an answer, and how long the database may work for it."""

    rows: int = 1_000_000
    bytes: int = 32 << 20
    seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A result, as far as it was taken."""

    content: bytes
    rows: int
    whole: bool


async def tables(address: str) -> Answer:
    """Give what can be read: a line of JSON for each table, with its columns and the estimate of its rows."""
    return await query(address, TABLES, "json")


async def query(address: str, text: str, form: Form, bounds: Bounds | None = None) -> Answer:
    """Ask one thing.  Raises ``ServerFailed``, or ``ConfigError`` for a role that could do more than read."""
    import psycopg

    bounds = bounds or Bounds()
    try:
        with anyio.fail_after(bounds.seconds + GRACE_S):
            async with _connected(address, bounds) as connection:
                return await _asked(connection, text, _Writer(form, bounds))
    except TimeoutError as error:
        raise ServerFailed(f"The database took longer than {bounds.seconds:g} s; ask for less.") from error
    except psycopg.Error as error:
        raise ServerFailed(_sentence(error)) from error


@asynccontextmanager
async def _connected(address: str, bounds: Bounds) -> AsyncIterator[AsyncConnection[Any]]:
    """Connect, begin to read, and see that the role can do nothing else."""
    from psycopg import AsyncConnection
    from psycopg.adapt import AdaptersMap
    from psycopg.types.string import TextLoader

    plain = AdaptersMap()
    plain.register_loader(0, TextLoader)  # every value as the database writes it
    connection = await AsyncConnection.connect(address, autocommit=True, connect_timeout=CONNECT_S, context=plain)
    try:
        await connection.execute("BEGIN READ ONLY")
        await connection.execute(f"SET LOCAL statement_timeout = {int(bounds.seconds * 1000)}".encode())
        mighty = await (await connection.execute(MIGHTY.encode())).fetchone()
        if mighty is not None:
            raise ConfigError(
                f"The database is asked as somebody who can do more than read, by the role {str(mighty[0])!r}; state a "
                "role that is no superuser and may only read what is meant."
            )
        yield connection
    finally:
        await connection.close()  # which rolls back, whatever state it is in


async def _asked(connection: AsyncConnection[Any], text: str, writer: _Writer) -> Answer:
    whole = True
    async with connection.cursor() as cursor:
        rows = cast("AsyncGenerator[Any]", cursor.stream(text.encode()))  # which it is
        async with aclosing(rows):
            async for _ in rows:
                if not writer.names:
                    writer.begin(cursor)
                if not writer.take(cursor):
                    whole = False
                    break
    return Answer(writer.content(), writer.rows, whole)


class _Writer:
    """Writes rows as they come, up to the limits."""

    def __init__(self, form: Form, bounds: Bounds) -> None:
        self.form = form
        self.bounds = bounds
        self.names: list[str] = []
        self.types: list[int] = []
        self.rows = 0
        self.out = io.StringIO(newline="")
        self.csv = csv.writer(self.out, lineterminator="\n")
        self.size = 0

    def begin(self, cursor: AsyncCursor[Any]) -> None:
        self.names = [column.name for column in cursor.description or ()]
        self.types = [column.type_code for column in cursor.description or ()]
        if self.form == "csv":
            self.csv.writerow(self.names)

    def take(self, cursor: AsyncCursor[Any]) -> bool:
        """Write the row that the cursor is at; say whether it had room."""
        result = cursor.pgresult
        assert result is not None, "a row has come"
        values = [result.get_value(0, place) for place in range(len(self.names))]
        self.size += sum(len(each or b"") for each in values)
        if self.rows >= self.bounds.rows or self.size > self.bounds.bytes:
            return False
        texts = [None if each is None else each.decode("utf-8", "replace") for each in values]
        if self.form == "csv":
            self.csv.writerow(texts)
        else:
            columns = zip(self.names, texts, self.types, strict=True)
            said = {name: _typed(text, kind) for name, text, kind in columns}
            self.out.write(json.dumps(said, ensure_ascii=False) + "\n")
        self.rows += 1
        return True

    def content(self) -> bytes:
        return self.out.getvalue().encode()


def _typed(text: str | None, kind: int) -> Any:
    """Give a value as JSON has it, where JSON has such a value."""
    reads: Callable[[str], Any] = json.loads
    if text is None or (kind in NUMBERS and not NUMBER.fullmatch(text)):
        return text
    if kind == BOOLEAN:
        return text == "t"
    return reads(text) if kind in NUMBERS or kind in JSONS else text


def _sentence(error: Exception) -> str:
    lines: Sequence[str] = str(error).strip().splitlines() or [type(error).__name__]
    return f"The database says: {' '.join(' '.join(lines).split())[:600]}"
