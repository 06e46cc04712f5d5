"""A document to be read: its bytes, what of it is wanted, and what it may cost."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace

from ..budget import Budget, OverBudget

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class Pages:
    """Which pages, slides, sheets or chapters are wanted: from the first to the last of these, all without an end."""

    first: int = 1
    last: int | None = None

    def __contains__(self, number: int) -> bool:
        return self.first <= number and (self.last is None or number <= self.last)


@dataclass(frozen=True)
class Source:
    name: str
    file: BinaryIO  # can be sought in
    budget: Budget
    path: str = ""  # where the file is, when it is one of its own
    pages: Pages = field(default_factory=Pages)
    members: tuple[str, ...] = ()  # names or globs of what to read in an archive or a mail
    facts: dict[str, object] = field(default_factory=dict)  # what readers learn beside the text

    def head(self, size: int) -> bytes:
        self.file.seek(0)
        return self.file.read(size)

    def content(self) -> bytes:
        """Give the whole document."""
        most = self.budget.limits.document_bytes_max
        content = self.head(most + 1)
        if len(content) > most:
            raise OverBudget(f"It has more than {most >> 20:,} MB, so it was not read.")
        return content

    def inside(self, name: str, content: bytes) -> Source:
        """Make a source of something in this one."""
        return replace(self, name=name, file=io.BytesIO(content), path="", members=(), facts={})


def chunks(file: BinaryIO, budget: Budget) -> Iterator[bytes]:
    """Read something that is being unpacked."""
    while True:
        chunk = file.read(CHUNK_BYTES)
        budget.unpack(len(chunk))
        if not chunk:
            return
        yield chunk
