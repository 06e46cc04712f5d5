"""A small MCP server of the older protocol, written by hand: it starts at once, turns pages and talks out of turn."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("echo", "exit", "odd")]


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    match method:
        case "initialize":
            version = params["protocolVersion"]
            server = {"name": "raw", "version": "1"}
            return {"result": {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server}}
        case "tools/list":
            page = int(params.get("cursor", 0))
            more = {"nextCursor": str(page + 1)} if page < 2 else {}
            return {"result": {"tools": [TOOLS[page]], **more}}
        case "tools/call" if params["name"] == "exit":
            sys.stderr.write("noise " * 20_000 + "these are the last words\n")
            sys.stderr.flush()
            os._exit(0)
        case "tools/call" if params["name"] == "odd":
            return {"result": {"content": "no list"}}
        case "tools/call":
            return {"result": {"content": [{"type": "text", "text": "heard"}]}}
        case _:
            return {"error": {"code": -32601, "message": "Method not found"}}


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        reply = {"jsonrpc": "2.0", "id": message["id"], **answer(message["method"], message.get("params", {}))}
        sys.stdout.write("This is no message.\n\n" + json.dumps(reply) + "\n")
        sys.stdout.flush()
