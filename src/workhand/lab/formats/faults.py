"""What a reader gives back: the good part of a file, and the lines of it that could not be used."""

from __future__ import annotations

from dataclasses import dataclass

from workhand.lab.trace import Trace


@dataclass(frozen=True, slots=True)
class Fault:
    """A line, from 1, that could not be used, and why."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class Read:
    traces: tuple[Trace, ...]
    faults: tuple[Fault, ...] = ()
