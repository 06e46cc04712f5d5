"""A server on loopback that speaks the formats of all providers, keeps their rules, and answers from a script.

It is no model.  A request that breaks a published rule is answered with 400 and a message that names the
rule.  Token counts are four bytes a token of what a model would read, cached is what the provider's
cache would have served, and a signature is good if this server gave it out, on the part as it was.  So
it serves again after a restart: nothing but the cache and the faults that happened is remembered.

Which answer of the script comes next is counted in the request: one for each answer of the model in it,
and those that a summary stands for.  Where the mask forbids what the script says, or the script
has ended, the first allowed tool is called, with arguments that fit its schema.

    python -m workhand.testing.script_server --script answers.jsonl     prints what to export, and serves
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shlex
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from workhand.core.canonical import encode
from workhand.core.prompt import Prompt
from workhand.testing import anthropic_format, chat_format, gemini_format, responses_format
from workhand.testing.exchange import (
    BYTES_PER_TOKEN,
    EVENTS,
    Answer,
    Asked,
    Failure,
    Format,
    Reply,
    Used,
    stood_for,
    tokens,
)
from workhand.testing.fitting import fitting
from workhand.testing.model import Say, summary_of
from workhand.testing.prefix_cache import PrefixCache
from workhand.testing.server_script import Fault, Script, read_script

ANY = "*"
WINDOW_TOKENS = 1_048_576
MODELS = MappingProxyType({ANY: WINDOW_TOKENS})
REQUEST_BYTES_MAX = 100 << 20
REMEMBERED_MAX = 64  # requests, for whoever looks at them
SUMMARY = "Open goals:\n"  # stands in a text that asks for one
KEYS = ("x-api-key", "x-goog-api-key", "authorization")

POSTS: Mapping[str, Format] = MappingProxyType(
    {
        r"/v1/messages": anthropic_format,
        r"/v1/responses": responses_format,
        r"/v1/chat/completions": chat_format,
        r"/v1beta/models/[^:]+:(generateContent|streamGenerateContent\?alt=sse)": gemini_format,
    }
)
"""The formats, by the paths that they are spoken at."""


class ScriptServer:
    """What was asked, and what will be answered.

    ``models`` are those that there are, with their windows in tokens; ``*`` is any.  A server that does not
    ``obey`` masks takes them as advice, and calls what the script says.
    """

    def __init__(
        self,
        script: Sequence[Say | Fault] = (),
        *,
        models: Mapping[str, int] = MODELS,
        api_key: str = "",
        cached_tokens_min: int = 1_024,
        obeys: bool = True,
    ) -> None:
        self.address = ""
        self.asked: deque[dict[str, Any]] = deque(maxlen=REMEMBERED_MAX)
        self._script = Script(script)
        self._models, self._api_key, self._cached_tokens_min, self._obeys = models, api_key, cached_tokens_min, obeys
        self._caches: dict[str, PrefixCache] = {}  # by model

    @property
    def anthropic_url(self) -> str:
        return self.address

    @property
    def openai_url(self) -> str:
        return f"{self.address}/v1"

    @property
    def google_url(self) -> str:
        return f"{self.address}/v1beta"

    @property
    def exports(self) -> dict[str, str]:
        """Give the variables that let clients find this server."""
        key = self._api_key or "no-key"
        urls = {"ANTHROPIC": self.anthropic_url, "OPENAI": self.openai_url, "GOOGLE_GEMINI": self.google_url}
        keys = {f"{name}_API_KEY": key for name in ("ANTHROPIC", "OPENAI", "GEMINI")}
        return {f"{name}_BASE_URL": url for name, url in urls.items()} | keys

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request; the response ends with its connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, target, _ = head.split(" ", 2)
            headers = {name.lower(): value for name, value in re.findall(r"^([\w-]+): *(.*?)\r$", head, re.MULTILINE)}
            length = int(headers.get("content-length", 0))
            body = await reader.readexactly(min(length, REQUEST_BYTES_MAX))
            reply = self.reply(method, target, headers, body)
            fields = [("content-type", reply.type), ("connection", "close"), *reply.headers]
            lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
            writer.write(f"HTTP/1.1 {reply.status} X\r\n{lines}\r\n".encode() + reply.body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client left
        finally:
            writer.close()

    def reply(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        spoken = next((each for path, each in POSTS.items() if method == "POST" and re.fullmatch(path, target)), None)
        fallback: Format = gemini_format if target.startswith("/v1beta") else responses_format
        told: Format = anthropic_format if "anthropic-version" in headers else fallback
        if self._api_key and self._api_key not in (headers.get(name, "").removeprefix("Bearer ") for name in KEYS):
            return (spoken or told).failed(Failure("key", "The API key is not valid."))
        if method == "GET":
            return self._tell(told, target)
        if spoken is None:
            return told.failed(Failure("path", f"There is no method {method} {target}."))
        try:
            request = json.loads(body)
            encode(request)
        except ValueError as error:
            return spoken.failed(Failure("rule", f"Invalid JSON payload received. {error}"))
        self.asked.append(request)
        if broken := spoken.violation(request, headers):
            return spoken.failed(Failure("rule", broken))
        return self._answer(spoken, spoken.asked(request, target), stood_for(request))

    def _tell(self, told: Format, target: str) -> Reply:
        """Say what there is to know of the models."""
        path, _, name = target.rpartition("/models")
        if not path:
            return told.failed(Failure("path", f"There is nothing at {target}."))
        if name:
            window = self._window(name[1:])
            if window is None:
                return told.failed(Failure("model", f"The model {name[1:]!r} is not found."))
            return Reply(200, encode(told.described(name[1:], window)))
        listed = [told.described(each, window) for each, window in self._models.items() if each != ANY]
        return Reply(200, encode({"data": listed, "object": "list"}))

    def _window(self, model: str) -> int | None:
        return self._models.get(model) or self._models.get(ANY)

    def _answer(self, spoken: Format, asked: Asked, stood: int) -> Reply:
        window = self._window(asked.model)
        if window is None:
            return spoken.failed(Failure("model", f"The model {asked.model!r} is not found."))
        number = asked.spoken + stood
        fault = self._script.fault(number)
        if fault and fault.kind == "unavailable":
            return spoken.failed(Failure("unavailable", "The server has too much to do.", fault.retry_s))
        counted = tokens(b"\n".join(block.content for block in asked.blocks))
        if counted > window or (fault and fault.kind == "overflow"):
            sent = max(counted, window + 1)
            return spoken.failed(Failure("overflow", "The prompt is too long.", sent=sent, window=window))
        used = self._caches.setdefault(asked.model, PrefixCache(self._cached_tokens_min)).used(asked)
        match fault:
            case Fault("malformed" | "refused" as kind):
                answer = Answer(number=number, ends=kind, used=used)
            case _:
                answer = self._say(asked, number, used)
        if asked.stream:
            return Reply(200, spoken.streamed(asked, answer), EVENTS)
        return Reply(200, encode(spoken.whole(asked, answer)))

    def _say(self, asked: Asked, number: int, used: Used) -> Answer:
        """Give the next answer of the script, as far as the request allows it."""
        said = self._script.answer(number)
        may = not self._obeys or (said is not None and (said.tool in asked.tools if said.tool else not asked.must_call))
        if not asked.tools or SUMMARY in asked.question:
            said = Say(text=_words(asked))
        elif said is None or not may:
            name, schema = next(iter(asked.tools.items()))
            arguments = fitting(schema)
            said = Say(name, arguments if isinstance(arguments, dict) else {}, said.text if said else "")
        if asked.tokens_max and tokens(encode([said.text, said.arguments])) > asked.tokens_max:
            text = said.text[: asked.tokens_max * BYTES_PER_TOKEN]
            return Answer(number=number, ends="limit", used=used, text=text)
        return Answer(number=number, ends="done", used=used, text=said.text, tool=said.tool, arguments=said.arguments)


@asynccontextmanager
async def serving(server: ScriptServer, *, port: int = 0) -> AsyncIterator[ScriptServer]:
    """Serve on loopback, at ``server.address``."""
    listening = await asyncio.start_server(server.serve, "127.0.0.1", port)
    async with listening:
        server.address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield server


def _words(asked: Asked) -> str:
    """Answer without a call: with a summary where one is asked for, or with what fits the schema."""
    if SUMMARY in asked.question:
        return summary_of(Prompt((), asked.question, (), 1))
    return "Done." if asked.schema is None else encode(fitting(asked.schema)).decode()


async def _main(arguments: argparse.Namespace) -> None:
    script = read_script(arguments.script) if arguments.script else []
    server = ScriptServer(script, models={arguments.model: arguments.window_tokens}, api_key=arguments.api_key)
    async with serving(server, port=arguments.port):
        exports = (f"{name}={shlex.quote(value)}" for name, value in server.exports.items())
        sys.stdout.write(f"export {' '.join(exports)}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m workhand.testing.script_server")
    parser.add_argument("--script", type=Path)
    parser.add_argument("--model", default=ANY)
    parser.add_argument("--window-tokens", type=int, default=WINDOW_TOKENS)
    parser.add_argument("--api-key", default="")
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(_main(parser.parse_args()))
