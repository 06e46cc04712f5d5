"""A server of the Gemini API on loopback that holds every request to the rules, and answers from a script.

It is no model.  It checks what the documentation says of a request, and what current models
refuse besides; a request that breaks a rule is answered with 400, and the message names
the rule.  Token counts are four bytes a token of what a model would read, cached is the longest
prefix that an earlier request began with, and a signature is good if this server gave it out,
on the part as it was.  So it serves again after a restart: nothing but the cache is remembered.

Which answer of the script comes next is counted in the request, as ``workhand.models.script``
does; so is the form of a script's file.  Where the mask forbids what the script says, or the script
has ended, the first allowed function is called, with arguments that fit its schema.

    python -m workhand.testing.gemini_server --script answers.jsonl     prints its base URL, and serves
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from workhand.core.canonical import Json, encode
from workhand.core.prompt import STANDS_FOR, Prompt
from workhand.errors import ConfigError
from workhand.testing.gemini_rules import allowed, sign, violation
from workhand.testing.model import Say, summary_of

MODELS = MappingProxyType({"gemini-fake": 1_048_576})
BYTES_PER_TOKEN = 4
THOUGHT_TOKENS = 8  # of each answer
CHUNKS = 3  # in which a text is streamed
REQUEST_BYTES_MAX = 100 << 20
REMEMBERED_MAX = 64  # requests, for the cache and for whoever looks at them


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens once instead of the answer that follows in the script."""

    kind: Literal["malformed", "overflow", "refused", "unavailable"]
    retry_s: float = 0.0  # what a client is asked to wait, if it is unavailable


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    chunks: tuple[Json, ...]
    stream: bool = False

    @property
    def body(self) -> bytes:
        if self.stream:
            return b"".join(b"data: " + encode(chunk) + b"\r\n\r\n" for chunk in self.chunks)
        return encode(self.chunks[0])


class GeminiServer:
    """What was asked, and what will be answered."""

    def __init__(
        self,
        script: Sequence[Say | Fault] = (),
        *,
        models: Mapping[str, int] = MODELS,  # with their windows, in tokens
        api_key: str = "",
        cached_tokens_min: int = 1_024,
    ) -> None:
        self.base_url = ""
        self.asked: deque[dict[str, Any]] = deque(maxlen=REMEMBERED_MAX)
        self._answers = [turn for turn in script if isinstance(turn, Say)]
        self._faults = _faults(script)
        self._happened: Counter[int] = Counter()  # faults, by the number of the answer that follows
        self._models, self._api_key, self._cached_tokens_min = models, api_key, cached_tokens_min
        self._prompts: deque[bytes] = deque(maxlen=REMEMBERED_MAX)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request; the response ends with its connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, target, _ = head.split(" ", 2)
            headers = {name.lower(): value for name, value in re.findall(r"^([\w-]+): *(.*?)\r$", head, re.MULTILINE)}
            length = int(headers.get("content-length", 0))
            body = await reader.readexactly(min(length, REQUEST_BYTES_MAX))
            reply = self.reply(method, target, headers.get("x-goog-api-key", ""), body)
            kind = "text/event-stream" if reply.stream else "application/json; charset=UTF-8"
            writer.write(f"HTTP/1.1 {reply.status} X\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode())
            writer.write(reply.body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client left
        finally:
            writer.close()

    def reply(self, method: str, target: str, key: str, body: bytes) -> Reply:
        path, _, query = target.partition("?")
        name, _, verb = path.rpartition("/models/")[2].partition(":")
        if self._api_key and key != self._api_key:
            why: Json = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
            return _error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", why)
        if name not in self._models:
            return _error(404, "NOT_FOUND", f"models/{name} is not found for API version v1beta.")
        match method, verb, query:
            case "GET", "", _:
                return Reply(200, ({"name": f"models/{name}", "inputTokenLimit": self._models[name]},))
            case "POST", "generateContent", _:
                return self._generate(name, body, stream=False)
            case "POST", "streamGenerateContent", "alt=sse":
                return self._generate(name, body, stream=True)
            case _:
                return _error(404, "NOT_FOUND", f"There is no method {verb!r}.")

    def _generate(self, name: str, body: bytes, *, stream: bool) -> Reply:
        try:
            request = json.loads(body)
        except ValueError as error:
            return _error(400, "INVALID_ARGUMENT", f"Invalid JSON payload received. {error}")
        self.asked.append(request)
        if broken := violation(request):
            return _error(400, "INVALID_ARGUMENT", broken)
        number = _answers_in(request, body)
        fault = self._fault(number)
        shown, window = rendered(request), self._models[name]
        counted = tokens(shown)
        if counted > window or (fault and fault.kind == "overflow"):
            counted = max(counted, window + 1)
            message = f"The input token count ({counted}) exceeds the maximum number of tokens allowed ({window})."
            return _error(400, "INVALID_ARGUMENT", message)
        if fault and fault.kind == "unavailable":
            wait: Json = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{fault.retry_s:g}s"}
            return _error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", wait)
        usage: dict[str, Json] = {"promptTokenCount": counted}
        if cached := self._cached(shown):
            usage["cachedContentTokenCount"] = cached
        if fault and fault.kind == "refused":
            feedback: Json = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": dict(usage)}
            return Reply(200, (feedback,), stream)
        parts, finish = ([], "MALFORMED_FUNCTION_CALL") if fault else self._say(request, number)
        return Reply(200, _chunks(parts, finish, usage, name, stream=stream), stream)

    def _fault(self, number: int) -> Fault | None:
        faults = self._faults.get(number, ())
        if self._happened[number] == len(faults):
            return None
        self._happened[number] += 1
        return faults[self._happened[number] - 1]

    def _cached(self, shown: bytes) -> int:
        """Count the tokens that an earlier request began with, and remember this one."""
        shared = max((_shared(shown, before) for before in self._prompts), default=0) // BYTES_PER_TOKEN
        self._prompts.append(shown)
        return shared if shared >= self._cached_tokens_min else 0

    def _say(self, request: dict[str, Any], number: int) -> tuple[list[Json], str]:
        """Give the parts of the next answer, and why it ends."""
        mode, schemas = allowed(request)
        said = self._answers[number] if number < len(self._answers) else None
        if not schemas:
            said = Say(text=_words(request))
        elif said is None or (said.tool not in schemas and (said.tool or mode == "ANY")):
            name, schema = next(iter(schemas.items()))
            arguments = fitting(schema)
            said = Say(name, arguments if isinstance(arguments, dict) else {}, said.text if said else "")
        limit = request.get("generationConfig", {}).get("maxOutputTokens")
        if limit and tokens(encode([said.text, said.arguments])) > limit:
            return [{"text": said.text[: limit * BYTES_PER_TOKEN]}], "MAX_TOKENS"
        parts: list[Json] = [{"text": said.text}] if said.text else []
        last: dict[str, Json] = {"text": ""}
        if said.tool:
            last = {"functionCall": {"id": f"call-{number}", "name": said.tool, "args": said.arguments}}
        return [*parts, last | {"thoughtSignature": sign(last)}], "STOP"


@asynccontextmanager
async def serving(server: GeminiServer, *, port: int = 0) -> AsyncIterator[GeminiServer]:
    """Serve on loopback, at ``server.base_url``."""
    listening = await asyncio.start_server(server.serve, "127.0.0.1", port)
    async with listening:
        server.base_url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1beta"
        yield server


def tokens(text: bytes) -> int:
    return -(-len(text) // BYTES_PER_TOKEN)


def rendered(request: dict[str, Any]) -> bytes:
    """Give what a model would read: tools, instruction, contents.  The mask is not in it."""
    spoken = [(content["role"], part) for content in request["contents"] for part in content["parts"]]
    return b"\n".join([encode(request.get("tools")), encode(request.get("systemInstruction")), *map(encode, spoken)])


def fitting(schema: Any, root: Any = None) -> Json:
    """Give a small value that follows a schema; patterns and formats are not read."""
    root = schema if root is None else root
    match schema:
        case {"const": value} | {"enum": [value, *_]}:
            found: Json = value
            return found
        case {"anyOf": [first, *_]} | {"oneOf": [first, *_]} | {"allOf": [first, *_]}:
            return fitting(first, root)
        case {"$ref": str(place)}:
            named: Any = root
            for step in place.split("/")[1:]:
                named = named[step]
            return fitting(named, root)
        case {"type": [kind, *_]}:
            return fitting({**schema, "type": kind}, root)
        case {"type": "object", "properties": dict(properties)}:
            required = schema.get("required")
            return {name: fitting(properties[name], root) for name in required} if isinstance(required, list) else {}
        case {"type": "array"}:
            few = schema.get("minItems")
            return [fitting(schema.get("items"), root)] * (few if isinstance(few, int) else 0)
        case {"type": "string"}:
            short = schema.get("minLength")
            return "x" * (short if isinstance(short, int) else 1)
        case {"type": "integer" | "number"}:
            least: Json = max(0, schema.get("minimum", 0))
            return least
        case {"type": "boolean"}:
            return False
        case {"type": "null"}:
            return None
        case _:
            return {}


def _answers_in(request: dict[str, Any], body: bytes) -> int:
    """Count the answers in a request, and those that a summary in it stands for."""
    summary = STANDS_FOR.search(body)
    shown = [content["role"] for content in request["contents"]].count("model")
    return shown + (int(summary[1]) if summary else 0)


def _words(request: dict[str, Any]) -> str:
    """Answer without a call: with a summary where one is asked for, or with what fits the schema."""
    asked = str(request["contents"][-1]["parts"][-1].get("text", ""))
    if "Open goals:\n" in asked:
        return summary_of(Prompt((), asked, (), 1))
    schema = request.get("generationConfig", {}).get("responseJsonSchema")
    return "Done." if schema is None else encode(fitting(schema)).decode()


def _shared(one: bytes, other: bytes) -> int:
    """Count the bytes with which both begin, by halving."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _chunks(
    parts: list[Json], finish: str, usage: dict[str, Json], model: str, *, stream: bool
) -> tuple[dict[str, Json], ...]:
    """Give an answer whole, or as it would be streamed: text in pieces, the reason to end in the last chunk."""
    spent: dict[str, Json] = {"candidatesTokenCount": tokens(encode(parts)), "thoughtsTokenCount": THOUGHT_TOKENS}
    streamed = [piece for part in parts for piece in _pieces(part)] if stream else []
    groups: list[list[Json]] = [[piece] for piece in streamed] or [parts]
    chunks: list[dict[str, Json]] = []
    for i, group in enumerate(groups, 1):
        candidate: dict[str, Json] = {"index": 0, "content": {"parts": group, "role": "model"}}
        ends = i == len(groups)
        if ends:
            candidate["finishReason"] = finish
        chunks.append(
            {"candidates": [candidate], "modelVersion": model, "usageMetadata": usage | spent if ends else dict(usage)}
        )
    return tuple(chunks)


def _pieces(part: Json) -> list[Json]:
    match part:
        case {"text": str(text), **rest} if text and not rest:
            size = -(-len(text) // CHUNKS)
            return [{"text": text[at : at + size]} for at in range(0, len(text), size)]
        case _:
            return [part]


def _error(status: int, name: str, message: str, *details: Json) -> Reply:
    error: dict[str, Json] = {"code": status, "message": message, "status": name}
    return Reply(status, ({"error": error | ({"details": list(details)} if details else {})},))


def _faults(script: Sequence[Say | Fault]) -> dict[int, list[Fault]]:
    """Give the faults by the number of the answer that follows them."""
    faults: dict[int, list[Fault]] = {}
    number = 0
    for turn in script:
        if isinstance(turn, Fault):
            faults.setdefault(number, []).append(turn)
        else:
            number += 1
    return faults


def read_script(path: Path) -> list[Say | Fault]:
    """Read a file of one JSON object a line: ``tool``, ``arguments`` and ``text``, or an ``error``."""
    script: list[Say | Fault] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        match json.loads(line or "null"):
            case None:
                continue
            case {"error": "malformed" | "overflow" | "refused" | "unavailable" as kind}:
                script.append(Fault(kind))
            case {"text": str()} | {"tool": str()} as turn:
                script.append(Say(turn.get("tool", ""), turn.get("arguments", {}), turn.get("text", "")))
            case _:
                raise ConfigError(f"The script {str(path)!r} has the line {line!r}; write a tool, a text or an error.")
    return script


async def _main(arguments: argparse.Namespace) -> None:
    script = read_script(arguments.script) if arguments.script else []
    server = GeminiServer(script, models={arguments.model: arguments.window_tokens}, api_key=arguments.api_key)
    async with serving(server, port=arguments.port):
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m workhand.testing.gemini_server")
    parser.add_argument("--script", type=Path)
    parser.add_argument("--model", default="gemini-fake")
    parser.add_argument("--window-tokens", type=int, default=MODELS["gemini-fake"])
    parser.add_argument("--api-key", default="")
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(_main(parser.parse_args()))
