"""A server on loopback that follows a script and keeps what it was asked.

It speaks Chat Completions, and as much of the Responses API as an agent without streaming needs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests import loopback
from workhand.core.canonical import encode

ASKS_FOR_SUMMARY = "The context is nearly full."
TOO_LONG = "context_length_exceeded"
"""The content of an answer that is an error instead."""

SUMMARY = json.dumps({"goals": [], "state": "Halfway through the listings.", "pointers": []})


class Script:
    """Answers in order, each a message; a question for a summary gets one beside them."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []  # requests for an answer
        self.asked_for_summary: list[tuple[int, dict[str, Any]]] = []  # and after how many answers

    def reply(self, request: dict[str, Any]) -> dict[str, Any]:
        if ASKS_FOR_SUMMARY in json.dumps(request["messages"][-1]):
            self.asked_for_summary.append((len(self.asked), request))
            return {"role": "assistant", "content": SUMMARY}
        self.asked.append(request)
        return {"role": "assistant", "content": None} | self.answers[len(self.asked) - 1]

    def messages(self) -> list[list[bytes]]:
        """Give the messages of each request for an answer, in canonical form."""
        return [[encode(message) for message in request["messages"]] for request in self.asked]


def calls(*made: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
    """Give a message that makes calls: of each its id, tool and arguments."""
    return {
        "tool_calls": [
            {"id": id, "type": "function", "function": {"name": tool, "arguments": json.dumps(arguments)}}
            for id, tool, arguments in made
        ]
    }


@contextmanager
def serving(script: Script) -> Iterator[str]:
    """Serve a script, and give the address up to the version."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path.endswith("/responses"):
                self.answer(200, _response(script, request))
                return
            message = script.reply(request)
            too_long = message.get("content") == TOO_LONG
            self.answer(400 if too_long else 200, _too_long() if too_long else _completion(message, request))

        def answer(self, status: int, value: dict[str, Any]) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return None

    with loopback.serving(Handler) as port:
        yield f"http://127.0.0.1:{port}/v1"


def _completion(message: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    tokens = len(json.dumps(request["messages"])) // 4
    reason = "tool_calls" if "tool_calls" in message else "stop"
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": tokens, "completion_tokens": 20, "total_tokens": tokens + 20},
    }


def _too_long() -> dict[str, Any]:
    message = "The prompt is too long; the window has 8,000 tokens."
    return {"error": {"message": message, "type": "invalid_request_error", "param": "messages", "code": TOO_LONG}}


def _response(script: Script, request: dict[str, Any]) -> dict[str, Any]:
    """Answer with the items that are next in the script."""
    script.asked.append(request)
    tokens = len(json.dumps(request["input"])) // 4
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 0,
        "model": "scripted",
        "status": "completed",
        "output": script.answers[len(script.asked) - 1]["output"],
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 10},
            "total_tokens": tokens + 20,
        },
    }
