"""Make the golden header of every prompt: ``python -m tests.tools.make_golden``.

``golden/header.txt`` is the tool list and the system prompt of the executor as
they are rendered, a line each: the first bytes of every prompt.  Make it anew
when a description was changed on purpose; each change empties every cache.
"""

from __future__ import annotations

from pathlib import Path

from workhand.agents import executor
from workhand.core.events import SessionStarted
from workhand.core.log import Log
from workhand.core.render import render

HEADER = Path(__file__).with_name("golden") / "header.txt"


def header() -> bytes:
    """Give the pieces of the header, a line each."""
    policy = executor.policy("scripted:one", seed="")
    return b"".join(piece + b"\n" for piece in render(Log().then(SessionStarted(policy)), policy).body)


def main() -> None:
    HEADER.parent.mkdir(exist_ok=True)
    HEADER.write_bytes(header())


if __name__ == "__main__":
    main()
