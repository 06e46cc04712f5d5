"""A real MCP server of the official library, which does all that servers do, well and badly.

Without an argument it speaks on standard input and output; with a port, by HTTP on loopback.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
from mcp.server.mcpserver import Context, Image, MCPServer
from pydantic import BaseModel

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d4944415478da63f8cfc0f01f0005000101a1f3b7ce0000000049454e44ae426082"
)
server = MCPServer("real", version="1.2", instructions="Ask for sums.", log_level="CRITICAL")


class Sum(BaseModel):
    total: int


@server.tool()
def add(a: int, b: int) -> Sum:
    """Add two numbers."""
    return Sum(total=a + b)


@server.tool()
def echo(text: str) -> str:
    """Say it again."""
    return text


@server.tool()
def picture() -> Image:
    """Give one pixel."""
    return Image(data=PIXEL, format="png")


@server.tool()
def variable(name: str) -> str:
    """Read the environment."""
    return os.environ.get(name, "unset")


@server.tool()
def process() -> str:
    """Give the process id."""
    return str(os.getpid())


@server.tool()
def fail() -> str:
    """Fail, as tools do."""
    raise ValueError("the cupboard is bare")


@server.tool()
def huge(characters: int) -> str:
    """Say a lot."""
    return "a" * characters


@server.tool()
async def steps(count: int, ctx: Context) -> str:
    """Report progress."""
    for step in range(count):
        await ctx.report_progress(step + 1, count, f"step {step + 1}")
    return "all steps done"


@server.tool()
async def hang(directory: str) -> str:
    """Never return; leave a file when begun, and another when cancelled, which cannot be seen from outside."""
    Path(directory, "begun").touch()
    try:
        await anyio.sleep_forever()
    finally:
        Path(directory, "cancelled").touch()
    return "never"


@server.tool()
def crash() -> str:
    """End at once, in the middle of the call."""
    sys.stderr.write(f"I fall, and my key is {os.environ.get('KEY', 'none')}\n")
    sys.stderr.flush()
    os._exit(3)


@server.resource("notes://today")
def today() -> str:
    return "Buy milk."


@server.resource("notes://pixel", mime_type="image/png")
def pixel() -> bytes:
    return PIXEL


@server.resource("notes://of/{day}")
def of(day: str) -> str:
    return f"Nothing on {day}."


@server.prompt()
def review(code: str, style: str = "kind") -> str:
    """Ask for a review."""
    return f"Review this in a {style} way: {code}"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run("stdio")
