"""What every driver does: read its three arguments, run one session, and report what it cost the processor.

    python drive_NAME.py URL SESSION [LIMIT] [--variant NAME]

A driver builds its agent with ``build``, outside the measured time, and runs it.  The time is of
the processor, so waiting for the server does not count.  The last line that it
prints is its report, one object of JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from bench.peers.session import Results, Session, described, read

KEY = "unused"  # the server asks for none
MODEL = "recorded"  # known to no package, so that none assumes a window of its own
STEPS_MAX = 10_000
SHARE_OF_WINDOW = 0.85  # where a package that has a threshold and no window is told to reduce


@dataclass(frozen=True, slots=True)
class Tool:
    """One stand-in tool, from which a driver makes one of its package's kind."""

    name: str
    description: str
    schema: dict[str, Any]
    run: Callable[[dict[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Task:
    url: str
    session: Session
    tools: tuple[Tool, ...]
    limit: int | None
    variant: str

    @property
    def said(self) -> tuple[str, ...]:
        """What the user says, one text for each turn."""
        return tuple(turn.task for turn in self.session.turns)

    @property
    def system(self) -> str:
        return self.session.system or "You are a helpful assistant."


Run: TypeAlias = Callable[[], object]


def drive(distribution: str, build: Callable[[Task], Run]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("session", type=Path)
    parser.add_argument("limit", type=int, nargs="?")
    parser.add_argument("--variant", default="")
    options = parser.parse_args()
    session = read(options.session)
    run = build(Task(options.url, session, tools(session), options.limit, options.variant))
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    report = {
        "package": distribution,
        "version": version(distribution),
        "cpu_s": round(time.process_time() - cpu, 3),
        "wall_s": round(time.perf_counter() - wall, 3),
    }
    print(json.dumps(report))


def tools(session: Session) -> tuple[Tool, ...]:
    results = Results(session)

    def tool(name: str, schema: dict[str, Any]) -> Tool:
        return Tool(name, described(name), schema, lambda arguments: results.give(name, arguments))

    return tuple(tool(name, schema) for name, schema in session.tools.items())
