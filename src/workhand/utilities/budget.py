"""What one document may cost to read, and the two ways in which reading it fails.

A document is hostile until it has been read.  So everything that it can make large has
a limit, and a limit that is reached ends the reading with one sentence.
"""

from __future__ import annotations

from dataclasses import dataclass, field


class Unreadable(Exception):
    """This document cannot be read; the sentence says why, and what would help."""


class OverBudget(Exception):
    """Reading went on to a limit; what was read until then stands."""


@dataclass(frozen=True)
class Limits:
    document_bytes_max: int = 256 << 20  # of a document that has to be held whole
    unpacked_bytes_max: int = 512 << 20  # of all that is unpacked
    members_max: int = 50_000  # of an archive, or messages of a mailbox
    elements_max: int = 5_000_000  # of markup, and cells of sheets
    depth_max: int = 120  # of elements in one another
    pages_max: int = 2_000  # read at once
    output_bytes_max: int = 32 << 20
    time_s: float = 120.0
    memory_bytes_max: int = 3 << 30


@dataclass
class Budget:
    """Counts what has been used, and says so when it is too much."""

    limits: Limits = field(default_factory=Limits)
    unpacked_bytes: int = 0
    elements: int = 0

    def unpack(self, size: int) -> None:
        self.unpacked_bytes += size
        if self.unpacked_bytes > self.limits.unpacked_bytes_max:
            raise OverBudget(
                f"It unpacks to more than {self.limits.unpacked_bytes_max >> 20:,} MB, so the rest was not read."
            )

    def element(self, depth: int = 0) -> None:
        self.elements += 1
        if self.elements > self.limits.elements_max:
            raise OverBudget(f"It has more than {self.limits.elements_max:,} elements, so the rest was not read.")
        if depth > self.limits.depth_max:
            raise OverBudget(
                f"Its elements lie more than {self.limits.depth_max} deep in one another, so it was not read."
            )

    def member(self, count: int) -> None:
        if count > self.limits.members_max:
            raise OverBudget(f"It has more than {self.limits.members_max:,} members, so the rest was not read.")
