"""``mcp``: use the MCP servers that the user has set up; they run on the host, behind a gateway."""

from __future__ import annotations

import getopt
import json
import os
import sys

from .asking import ask
from .budget import Unreadable

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from typing import Any

HELP = """\
mcp servers                            the servers there are
mcp tools SERVER [TOOL]                what a server offers; of one tool, the JSON schema of its arguments too
mcp call SERVER TOOL [JSON]            call a tool; JSON is an object, and - reads it from standard input
mcp resources SERVER                   what can be read
mcp read SERVER URI                    read it
mcp prompts SERVER                     the prompts there are
mcp prompt SERVER NAME [JSON]          one of them, filled in

--timeout SECONDS   for a call, default 120
-o DIRECTORY        where pictures, files and long texts are put, default mcp-results; their paths are printed
--json              the whole answer as JSON

Exit status: 0 done, 1 not done (the reason is on standard error) or the tool itself failed, 2 wrong arguments.
"""
LISTS = {"servers": 0, "tools": 1, "resources": 1, "prompts": 1}
FIELDS = {"call": ("server", "tool"), "read": ("server", "uri"), "prompt": ("server", "name")}
FIRST_CHARS = 100


def main(arguments: list[str]) -> int:
    options, operands = getopt.gnu_getopt(arguments, "o:", ["timeout=", "json"])
    given = dict(options)
    if not operands:
        raise getopt.GetoptError("what is to be done?")
    operation, *rest = operands
    request = requested(operation, rest)
    if "--timeout" in given:
        request["timeout_s"] = float(given["--timeout"])
    said, contents = ask({"service": "mcp", **request})
    paths = [put(content, number, given.get("-o", "mcp-results")) for number, content in enumerate(contents)]
    if "--json" in given:
        sys.stdout.write(json.dumps({**said, "paths": paths}, ensure_ascii=False) + "\n")
    elif operation in LISTS:
        sys.stdout.write(listed(said[operation], rest[1:]))
    else:
        sys.stdout.write(shown(said, paths))
    return 1 if said.get("failed") else 0


def requested(operation: str, rest: list[str]) -> dict[str, Any]:
    """Make a request of what was written."""
    if operation in LISTS and len(rest) >= LISTS[operation]:
        return {"op": operation, **({"server": rest[0]} if rest else {})}
    names = FIELDS.get(operation)
    if names is None or len(rest) < len(names):
        raise getopt.GetoptError(f"{operation!r} needs other arguments")
    stated = rest[len(names)] if len(rest) > len(names) else "{}"
    try:
        filled = json.loads(sys.stdin.read() if stated == "-" else stated)
    except ValueError as error:
        raise Unreadable(f"The arguments are not JSON: {error}.") from error
    return {"op": operation, **dict(zip(names, rest)), "arguments": filled}


def put(content: bytes, number: int, directory: str) -> str:
    """Write what came along to a file of its own."""
    os.makedirs(directory, exist_ok=True)
    while os.path.exists(path := os.path.join(directory, f"{number}.bin")):
        number += 1
    with open(path, "wb") as file:
        file.write(content)
    return path


def listed(found: list[dict[str, Any]], wanted: list[str]) -> str:
    """Write a list with a line for each thing, or all of the one that is wanted."""
    lines = []
    for each in found:
        name = each.get("uri") or each["name"]
        if wanted and name == wanted[0]:
            return f"{name}\n{each.get('description', '')}\n{json.dumps(each.get('parameters'), indent=1)}\n"
        first = (each.get("description") or each.get("problem") or "").strip().partition("\n")[0]
        lines.append(f"{name}  {first[:FIRST_CHARS]}".rstrip())
    if wanted:
        raise Unreadable(f"There is no {wanted[0]!r}; there are {', '.join(line.split()[0] for line in lines)}.")
    return "\n".join(lines or ["none"]) + "\n"


def shown(said: dict[str, Any], paths: list[str]) -> str:
    """Write what a call brought: texts as they are, and where the rest is."""
    lines = []
    for part in said.get("parts", ()):
        if "attachment" in part:
            head = part.get("head", "")
            size = f"{part['bytes']:,} bytes of {part.get('media_type', 'text/plain')} in {paths[part['attachment']]}"
            lines += [f"{head}…" if head else "", f"[{size}]"]
        else:
            lines.append(part.get("text") or f"[{part.get('name', '')} {part.get('uri', '')}]")
    if said.get("dropped_bytes"):
        lines.append(f"[{said['dropped_bytes']:,} bytes more were left out]")
    if not lines and said.get("structured"):
        lines.append(json.dumps(said["structured"], ensure_ascii=False))
    return "\n".join(filter(None, lines)) + "\n"
