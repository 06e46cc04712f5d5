"""Search a folder of documents on this machine, with SQLite's full text index.

Texts and Markdown are indexed.  Documents of other kinds are hostile until they have been
read, so they are made Markdown inside a machine first, by ``extract``.  The index is a
file that may be deleted at any time: before each search it is compared with the folder,
and only what has changed is read again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from workhand.core.searching import Hit, Query
from workhand.errors import ConfigError, SearchUnavailable

if TYPE_CHECKING:
    import apsw

ENDINGS = (".md", ".markdown", ".rst", ".txt")
DOCUMENTS_MAX = 200_000
DOCUMENT_BYTES_MAX = 8 << 20  # of a longer one only its beginning is indexed
BUSY_MS = 30_000
WORDS_MAX = 32  # of a query
SNIPPET_WORDS = 40
TITLE_WEIGHT = 5.0
TITLE_CHARS_MAX = 200
PIECE = re.compile(r'"([^"]+)"|(\w+)')
VERSION = 1

SCHEMA = """
CREATE TABLE document (id INTEGER PRIMARY KEY, path TEXT UNIQUE, bytes INTEGER, changed_ns INTEGER, title TEXT);
CREATE VIRTUAL TABLE page USING fts5(title, body, tokenize = "porter unicode61 remove_diacritics 2");
"""
FOUND = f"""
SELECT document.path, document.title, document.changed_ns, snippet(page, 1, '', '', '…', {SNIPPET_WORDS})
FROM page JOIN document ON document.id = page.rowid
WHERE page MATCH ? AND document.changed_ns >= ?
ORDER BY bm25(page, {TITLE_WEIGHT}, 1.0), document.path LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class _Document:
    path: str  # relative to the folder
    bytes: int
    changed_ns: int


class FolderSearch:
    """A folder, and the index of it, which is kept outside of it."""

    def __init__(self, folder: Path, index: Path) -> None:
        self._folder = folder
        self._index = index

    async def search(self, query: Query) -> tuple[Hit, ...]:
        from anyio import to_thread

        return await to_thread.run_sync(self.search_now, query)

    def search_now(self, query: Query) -> tuple[Hit, ...]:
        """Search without an event loop: bring the index up to date, then ask it."""
        import apsw

        if not self._folder.is_dir():
            raise ConfigError(f"There is no folder {str(self._folder)!r} to search; name one that exists.")
        since = datetime.fromisoformat(query.since or "1970-01-01").replace(tzinfo=UTC)
        since_ns = int(since.timestamp()) * 10**9
        try:
            index = _opened(self._index)
            try:
                with _writing(index):
                    _update(index, self._folder)
                return tuple(_found(index, query, since_ns))
            finally:
                index.close()
        except OSError as error:  # such as a document that was deleted meanwhile
            raise SearchUnavailable(f"{error.filename!r} cannot be read ({error.strerror}); search again.") from error
        except apsw.Error as error:
            raise SearchUnavailable(f"The index {str(self._index)!r} cannot be used ({error}); delete it.") from error


def _opened(path: Path) -> apsw.Connection:
    """Open an index, or begin one; one of another version is begun anew."""
    import apsw

    path.parent.mkdir(parents=True, exist_ok=True)
    index = apsw.Connection(str(path))
    index.set_busy_timeout(BUSY_MS)
    with _writing(index):
        version = index.pragma("user_version")
        if version != VERSION:
            index.execute("DROP TABLE IF EXISTS document; DROP TABLE IF EXISTS page;" + SCHEMA)
            index.pragma("user_version", VERSION)
    return index


@contextmanager
def _writing(index: apsw.Connection) -> Iterator[None]:
    """Hold others off from the first statement on: two that read first could not both write."""
    index.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        index.execute("ROLLBACK")
        raise
    index.execute("COMMIT")


def _update(index: apsw.Connection, folder: Path) -> None:
    """Take what has gone out of the index, and read what is not in it as it stands."""
    have = {
        _Document(str(path), int(size), int(changed)): int(id)
        for id, path, size, changed in index.execute("SELECT id, path, bytes, changed_ns FROM document")
    }
    are = set(_documents(folder))
    for document in have.keys() - are:
        index.execute("DELETE FROM page WHERE rowid = ?", (have[document],))
        index.execute("DELETE FROM document WHERE id = ?", (have[document],))
    for document in sorted(are - have.keys(), key=lambda each: each.path):
        text = _text(folder / document.path)
        title = _title(text) or document.path
        index.execute(
            "INSERT INTO document (path, bytes, changed_ns, title) VALUES (?, ?, ?, ?)",
            (document.path, document.bytes, document.changed_ns, title),
        )
        index.execute("INSERT INTO page (rowid, title, body) VALUES (last_insert_rowid(), ?, ?)", (title, text))


def _documents(folder: Path) -> Iterator[_Document]:
    """Give the documents in a folder, without following links out of it."""
    count = 0
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(place, name)
            if name.startswith(".") or path.suffix.lower() not in ENDINGS or path.is_symlink() or not _utf8(path):
                continue
            count += 1
            if count > DOCUMENTS_MAX:
                raise ConfigError(
                    f"The folder {str(folder)!r} has more than {DOCUMENTS_MAX:,} documents; name a smaller."
                )
            status = path.stat()
            yield _Document(path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns)


def _utf8(path: Path) -> bool:
    return os.fsencode(path).decode(errors="ignore") == str(path)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(DOCUMENT_BYTES_MAX).decode(errors="replace")


def _title(text: str) -> str:
    """Give the first heading of a text, or its first line."""
    lines = [line.strip() for line in text[:20_000].splitlines() if line.strip()]
    headed = [line.lstrip("#").strip() for line in lines if re.match(r"#{1,3} ", line)]
    return (headed or lines or [""])[0][:TITLE_CHARS_MAX]


def _found(index: apsw.Connection, query: Query, since_ns: int) -> Iterator[Hit]:
    """Give documents with all that is asked for, then those with some of it."""
    pieces = [f'"{phrase or word}"' for phrase, word in PIECE.findall(query.text)][:WORDS_MAX]
    seen: set[str] = set()
    for between in (" AND ", " OR ") if pieces else ():
        for path, title, changed_ns, snippet in index.execute(FOUND, (between.join(pieces), since_ns, query.limit)):
            if path not in seen and len(seen) < query.limit:
                seen.add(str(path))
                day = datetime.fromtimestamp(int(changed_ns) / 10**9, UTC).date()
                yield Hit(str(title), str(path), " ".join(str(snippet).split()), str(day))
