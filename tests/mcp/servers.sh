#!/bin/bash
# Install MCP servers that others wrote, of both generations of the protocol, into a directory:
#
#     tests/mcp/servers.sh DIRECTORY
#     MCP_SERVERS=DIRECTORY python -m pytest -m machines tests/mcp
set -euo pipefail
directory=${1:?give a directory}
python=${PYTHON:-python3}
mkdir -p "$directory"
npm install --prefix "$directory" --no-audit --no-fund --save-exact \
    @modelcontextprotocol/server-everything@2026.8.31 \
    @modelcontextprotocol/server-filesystem@2026.8.31 \
    @modelcontextprotocol/server-memory@2026.8.31 \
    @modelcontextprotocol/server-sequential-thinking@2026.8.31
"$python" -m venv "$directory/python"
"$directory/python/bin/python" -m pip install --quiet \
    mcp==2.3.0 mcp-server-fetch==2026.10.24 mcp-server-git==2026.10.19 mcp-server-time==2026.10.19
# The SQLite server was written for the first version of the library, and is kept to test against that.
"$directory/python/bin/python" -m venv "$directory/older"
"$directory/older/bin/python" -m pip install --quiet mcp==1.30.0 mcp-server-sqlite==2025.4.25
