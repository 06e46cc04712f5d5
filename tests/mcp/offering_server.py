"""Workhand as an MCP server, over sessions that are scripted; run as a program it serves on a pipe."""

from __future__ import annotations

import anyio

from workhand.errors import SessionUnknown
from workhand.mcp.serve import FILES_BYTES_MAX, Delivered, Followed, serve


class Scripted:
    """One session at a time, which asks for a colour and delivers three files."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.colour = ""

    async def start(self, task: str) -> str:
        self.lines = [f"I work on: {task}", "Which colour?"]
        return "s1"

    async def follow(self, id: str, after: int) -> Followed:
        known(id)
        return Followed(tuple(self.lines[after:]), len(self.lines), "ended" if self.colour else "waiting")

    async def answer(self, id: str, text: str) -> None:
        known(id)
        self.colour = text
        self.lines.append("Thank you.")

    async def result(self, id: str) -> tuple[str, tuple[Delivered, ...]]:
        known(id)
        files = (
            Delivered("chart.png", "image/png", b"a picture"),
            Delivered("too large.bin", "application/octet-stream", b"x" * FILES_BYTES_MAX),
            Delivered("a report.csv", "text/csv", b"a,b\n"),
        )
        return f"It is {self.colour}.", files


def known(id: str) -> None:
    if id != "s1":
        raise SessionUnknown(id)


if __name__ == "__main__":
    anyio.run(serve, Scripted())
