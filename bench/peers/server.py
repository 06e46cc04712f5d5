"""A model server on the loopback interface that answers with recorded actions and writes down what it was asked.

One server stands for one session.  The n-th request that is the next step of the
session gets the n-th recorded action.
A package may ask for something else in between: a summary, a title, a count of
tokens.  Such a request does not offer the recorded tools, or it ends in the
user's wish for a summary; it is answered with one and the same stand-in and marked
in the recording.  A request that repeats the one before it (a client's retry) is
answered like that one.

    python bench/peers/server.py SESSION RECORDING      serves one session by hand
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, TypeAlias

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.peers import session as sessions
from bench.peers.wire import Answer, Asked, Call, Counted, answer, asked

Kind: TypeAlias = Literal["step", "repeat", "summary", "count", "other"]

SUMMARY_WISH = re.compile(r"summar|compact|condens", re.IGNORECASE)
RESULT_AS_TEXT = ("Observation:", "Error:")  # smolagents gives a tool's result as something the user said
TASK_CHARS = 100  # by as much a task is known again
WISH_CHARS = 3_000  # a wish is looked for at the end of the last message, not in what it quotes
SUMMARY = "\n".join(
    f"{number}. Part {number} of the work was looked into; what it showed is settled, and the files it concerns "
    f"are listed under entry {number} of the notes. Nothing of it has to be done again."
    for number in range(1, 37)
)
ENDING_TOOLS = {"final_answer": "answer", "finish": "message"}  # and their argument, where a run ends with a call
BYTES_PER_TOKEN = 4
SCRIPT_PAUSE_S = 3_600


@dataclass(frozen=True, slots=True)
class Served:
    """One request and what it got: a line of the recording."""

    number: int
    kind: Kind
    step: int  # which of the session's steps was the answer; -1 for what is none
    path: str
    body: dict[str, Any]
    text: str
    calls: tuple[tuple[str, str], ...]  # tool and arguments


class Replay:
    """Which answer comes next.  Only one thread may ask at a time."""

    def __init__(self, session: sessions.Session) -> None:
        self.tools = frozenset(session.tools)
        self.steps = session.steps
        starts = accumulate((len(turn.steps) for turn in session.turns), initial=0)
        self.tasks = dict(zip(starts, (turn.task for turn in session.turns), strict=False))
        self.count = 0
        self.next_step = 0
        self._last_body = b""
        self._last_answer = Answer("", "")

    def take(self, path: str, raw: bytes) -> tuple[Asked, Answer, Served]:
        body = json.loads(raw) if raw else {}
        request = asked(path, body)
        kind = self._kind(request, raw)
        step = min(self.next_step, len(self.steps)) if kind == "step" else -1
        match kind:
            case "step":
                said = self._action(step, request.tools)
                self.next_step += 1
                self._last_body, self._last_answer = hashlib.sha256(raw).digest(), said
            case "repeat":
                said = self._last_answer
            case "summary":
                said = Answer(f"summary_{self.count}", SUMMARY)
            case "count" | "other":
                said = Answer(f"{kind}_{self.count}", "")
        calls = tuple((call.tool, call.arguments) for call in said.calls)
        served = Served(self.count, kind, step, path, body, said.text, calls)
        self.count += 1
        return request, said, served

    def _kind(self, request: Asked, raw: bytes) -> Kind:
        if request.api in ("count", "other"):
            return request.api
        if request.api == "compact" or not self.tools & request.tools:
            return "summary"
        if hashlib.sha256(raw).digest() == self._last_body:
            return "repeat"
        last = request.last_said or ""
        task = self.tasks.get(self.next_step)
        if last.startswith(RESULT_AS_TEXT) or (task is not None and task[:TASK_CHARS] in last):
            return "step"
        return "summary" if SUMMARY_WISH.search(last[-WISH_CHARS:]) else "step"

    def _action(self, step: int, offered: frozenset[str]) -> Answer:
        recorded = self.steps[step] if step < len(self.steps) else sessions.Step(sessions.LAST_WORDS, ())
        made = [(call.tool, call.arguments) for call in recorded.calls]
        if not made:
            ending = offered.intersection(ENDING_TOOLS) - self.tools
            made = [(tool, {ENDING_TOOLS[tool]: recorded.text}) for tool in sorted(ending)]
        calls = (
            Call(f"call_{step}_{number}", tool, json.dumps(arguments, ensure_ascii=False))
            for number, (tool, arguments) in enumerate(made)
        )
        return Answer(f"answer_{self.count}", recorded.text, tuple(calls))


def counted(raw: bytes, said: Answer) -> Counted:
    """Count about as a provider would: what a package reads here may decide when it reduces its context."""
    made = len(said.text.encode()) + sum(len(call.arguments.encode()) + len(call.tool) for call in said.calls)
    return Counted(len(raw) // BYTES_PER_TOKEN, made // BYTES_PER_TOKEN + 4)


@contextmanager
def serving(session: sessions.Session, recording: Path) -> Iterator[str]:
    """Serve a session until the block ends, and give the address of its API."""
    recording.parent.mkdir(parents=True, exist_ok=True)
    replay, lock = Replay(session), threading.Lock()
    with gzip.open(recording, "wt", compresslevel=3, encoding="utf-8") as lines:

        def take(path: str, raw: bytes) -> tuple[str, bytes]:
            with lock:
                request, said, served = replay.take(path, raw)
                lines.write(json.dumps(asdict(served), ensure_ascii=False) + "\n")
            return answer(request, said, counted(raw, said), str(served.body.get("model", "recorded")))

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                kind, content = take(self.path, raw)
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: the recording says it all."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("session", type=Path)
    parser.add_argument("recording", type=Path)
    options = parser.parse_args()
    with serving(sessions.read(options.session), options.recording) as url:
        print(url, flush=True)
        threading.Event().wait(SCRIPT_PAUSE_S)


if __name__ == "__main__":
    main()
