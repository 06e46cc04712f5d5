"""Archives (zip, tar, gz, bz2, xz): what is in them, and those members that are named.

An archive in an archive is listed when it is named, and its members are not read: so one
that holds itself is no different from others.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from fnmatch import fnmatch

from ..budget import Unreadable
from . import markdown
from .source import chunks

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO

    from ..budget import Budget
    from .source import Source

    Open = Callable[[], BinaryIO]
    Member = tuple[str, int, str, Open]  # name, bytes, date, and how to read it

UNPACKERS: dict[bytes, Callable[[BinaryIO], BinaryIO]] = {
    b"\x1f\x8b": gzip.open,  # type: ignore[dict-item]  # each opens for bytes unless told otherwise
    b"BZ": bz2.open,  # type: ignore[dict-item]
    b"\xfd7": lzma.open,  # type: ignore[dict-item]
}
TAR_MAGIC = (257, b"ustar")


def read(source: Source) -> Iterator[str]:
    return _members(source, _zipped(source))


def read_tar(source: Source) -> Iterator[str]:
    return _members(source, _taped(source, source.file))


def read_packed(source: Source) -> Iterator[str]:
    """Read what one of the packers of single files has packed: an archive, or a document."""
    from .kinds import blocks_of  # which knows this module

    unpacked = _unpacked(source)
    start = io.BufferedReader(_Metered(unpacked, source.budget), 1 << 16).peek(1 << 10)
    unpacked = _unpacked(source)
    if start[TAR_MAGIC[0] :].startswith(TAR_MAGIC[1]):
        yield from _members(source, _taped(source, io.BufferedReader(_Metered(unpacked, source.budget))))
        return
    name = source.name.rpartition(".")[0] or source.name
    inner = source.inside(name, b"".join(chunks(unpacked, source.budget)))
    yield from blocks_of(inner, archives=False)


def _unpacked(source: Source) -> BinaryIO:
    unpacker = UNPACKERS[source.head(2)]
    source.file.seek(0)
    return unpacker(source.file)


class _Metered(io.RawIOBase):
    """Counts what is read from a packed file."""

    def __init__(self, file: BinaryIO, budget: Budget) -> None:
        self.file = file
        self.budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        part = self.file.read(len(buffer))
        self.budget.unpack(len(part))
        buffer[: len(part)] = part
        return len(part)


def _zipped(source: Source) -> Iterator[Member]:
    with zipfile.ZipFile(source.file) as opened:
        for info in opened.infolist():
            if not info.is_dir():
                date = "{:04}-{:02}-{:02}".format(*info.date_time[:3])
                yield info.filename, info.file_size, date, lambda info=info: opened.open(info)  # type: ignore[misc]


def _taped(source: Source, file: BinaryIO) -> Iterator[Member]:
    """Go through a tape from its beginning to its end, once."""
    import datetime

    file.seek(0) if file is source.file else None
    with tarfile.open(fileobj=file, mode="r|") as opened:
        for info in opened:
            if info.isfile():
                seconds = min(max(info.mtime, 0), 1 << 32)
                date = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).date().isoformat()
                yield info.name, info.size, date, lambda info=info: opened.extractfile(info)  # type: ignore[misc]


def _members(source: Source, members: Iterable[Member]) -> Iterator[str]:
    """List the members, or give the documents that are wanted of them."""
    rows = [("member", "bytes", "date")]
    found = 0
    for number, (name, size, date, open_member) in enumerate(members, 1):
        source.budget.member(number)
        rows.append((name, f"{size:,}", date))
        if any(fnmatch(name, wanted) for wanted in source.members):
            found += 1
            yield markdown.heading(2, name)
            yield from _document(source, name, open_member)
    source.facts["members"] = len(rows) - 1
    if not source.members:
        yield markdown.table(rows)
        yield "Read members with `extract FILE NAME...`; a name may be a pattern such as '*.docx'."
    elif not found:
        raise Unreadable(
            f"It has no member {' or '.join(map(repr, source.members))}; extract without names lists them."
        )


def _document(source: Source, name: str, open_member: Open) -> Iterator[str]:
    from .kinds import blocks_of  # which knows this module

    try:
        with open_member() as member:
            content = b"".join(chunks(member, source.budget))
    except RuntimeError as error:  # it wants a password, or was packed in a way that is unknown here
        yield f"[not read: {error}]"
        return
    try:
        yield from blocks_of(source.inside(name, content))
    except Unreadable as error:
        yield f"[not read: {error}]"
