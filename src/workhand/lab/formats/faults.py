"""What a reader gives back: the good part of a file, and the lines of it that could not be used."""

from __future__ import annotations

from dataclasses import dataclass

from workhand.lab.trace import Trace

WHY_CHARS_MAX = 400


class Unfit(ValueError):
    """A line is not what its format asks for.  The message is a clause about it: "it has no 'text'"."""

    def __init__(self, why: str) -> None:
        super().__init__(why if len(why) <= WHY_CHARS_MAX else f"{why[:WHY_CHARS_MAX]}...")


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that could not be used, and why; in a JSON array an item counts as a line."""

    line: int  # from 1
    why: str


@dataclass(frozen=True, slots=True)
class Read:
    traces: tuple[Trace, ...]
    faults: tuple[Fault, ...] = ()
    format: str = ""  # which reader it was, once a file's content has told
