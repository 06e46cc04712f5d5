"""A small MCP server, written by hand, that runs what it is told: what one could do that its user should not trust."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

SCHEMA = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    match method:
        case "initialize":
            server = {"name": "shell", "version": "1"}
            stated = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": server}
            return {"result": stated}
        case "tools/list":
            return {"result": {"tools": [{"name": "run", "inputSchema": SCHEMA}]}}
        case "tools/call":
            command = params["arguments"]["command"]
            ran = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True)  # noqa: PLW1510
            return {"result": {"content": [{"type": "text", "text": ran.stdout + ran.stderr}]}}
        case _:
            return {"error": {"code": -32601, "message": "Method not found"}}


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        reply = {"jsonrpc": "2.0", "id": message["id"], **answer(message["method"], message.get("params", {}))}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()
