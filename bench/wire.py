"""Measure what it costs to make a request: our bytes from pieces, and a vendor's client from dictionaries.

A session grows to so many tokens; then each call adds an answer and a result, as
a session does.  Ours encodes what is new and joins it to what it knows.  The
vendor's client is given the same messages as dictionaries and makes the request
of them, up to the point where it would be sent: a transport of ours answers at
once.  Both go through the vendor's client, so what it does besides is in both;
``bare_ms`` is that alone, with a request of a few bytes.  Times are of the
processor, medians over the calls.

    python -m bench.wire [--tokens 100000 1000000] [--calls 20] [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median

import anyio
import httpx2

from bench.engine import RESULT, grown, policy, stepped
from workhand.core.log import Log
from workhand.core.mask import everything
from workhand.core.render import render
from workhand.models.wire.anthropic import Anthropic
from workhand.models.wire.dialect import Dialect, Request, Server
from workhand.models.wire.gemini import Gemini
from workhand.models.wire.openai_chat import OpenAIChat
from workhand.models.wire.openai_responses import OpenAIResponses

DIALECTS: dict[str, Dialect] = {
    "anthropic": Anthropic(Server("anthropic", "http://127.0.0.1:1", "m", "k")),
    "openai": OpenAIResponses(Server("openai", "http://127.0.0.1:1/v1", "m", "k")),
    "openai-chat": OpenAIChat(Server("openai-chat", "http://127.0.0.1:1/v1", "m", "k"), "native"),
    "google": Gemini(Server("google", "http://127.0.0.1:1/v1beta", "m", "k")),
}


@dataclass(frozen=True, slots=True)
class Result:
    wire: str
    tokens: int  # of context, at four bytes a token
    request_bytes: int
    encode_ms: float  # our bytes alone
    again_ms: float  # the same request once more: nothing is new
    ours_ms: float | None  # our bytes, handed to the vendor's client
    vendor_ms: float | None  # the vendor's client, from dictionaries
    bare_ms: float | None  # the vendor's client, with next to nothing to send
    ratio: float | None  # of ``ours_ms`` to ``vendor_ms``


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor's client: how it takes dictionaries, and how it takes bytes."""

    create: Callable[..., Awaitable[object]]
    post: Callable[..., Awaitable[object]]


def vendors() -> dict[str, Vendor]:
    import anthropic
    import openai

    here = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json={})))
    claude = anthropic.AsyncAnthropic(api_key="k", http_client=here)
    gpt = openai.AsyncOpenAI(api_key="k", http_client=here)
    return {
        "anthropic": Vendor(claude.messages.create, claude.post),
        "openai": Vendor(gpt.responses.create, gpt.post),
        "openai-chat": Vendor(gpt.chat.completions.create, gpt.post),
    }


async def measure(wire: str, vendor: Vendor | None, log: Log, calls: int, tokens: int) -> Result:
    chosen, dialect = log.policy, DIALECTS[wire]
    mask = everything(spec.name for spec in chosen.tools)
    dialect.request(render(log, chosen), mask, session="s")
    times: dict[str, list[float]] = {name: [] for name in ("encode", "again", "ours", "vendor", "bare")}
    request = Request("", b"")
    for number in range(calls):
        log = stepped(log, chosen, 10_000_000 + number, RESULT)
        prompt = render(log, chosen)
        for name in ("encode", "again"):
            began = time.thread_time()
            request = dialect.request(prompt, mask, session="s")
            times[name].append(time.thread_time() - began)
        if vendor is None:
            continue
        fields = json.loads(request.body)
        fields.pop("stream", None)
        fields.pop("stream_options", None)
        asks: dict[str, Callable[[], Awaitable[object]]] = {
            "bare": partial(vendor.post, request.path, content=b"{}", cast_to=object),
            "ours": partial(vendor.post, request.path, content=request.body, cast_to=object),
            "vendor": partial(vendor.create, **fields),
        }
        for name, ask in asks.items():
            began = time.thread_time()
            await ask()
            times[name].append(time.thread_time() - began)
    return result(wire, tokens, len(request.body), times)


def result(wire: str, tokens: int, size: int, times: dict[str, list[float]]) -> Result:
    ms = {name: 1_000 * median(each) for name, each in times.items() if each}
    with_vendor = "vendor" in ms
    ours = ms["encode"] + ms["ours"] if with_vendor else None
    return Result(
        wire,
        tokens,
        size,
        round(ms["encode"], 3),
        round(ms["again"], 3),
        round(ours, 3) if ours else None,
        round(ms["vendor"], 3) if with_vendor else None,
        round(ms["bare"], 3) if with_vendor else None,
        round(ours / ms["vendor"], 3) if ours else None,
    )


async def measured(tokens: list[int], calls: int, *, as_json: bool) -> None:
    known = vendors()
    for length in tokens:
        log, _ = grown(policy(), length)
        for wire in DIALECTS:
            found = asdict(await measure(wire, known.get(wire), log, calls, length))
            print(json.dumps(found) if as_json else "  ".join(f"{name} {value}" for name, value in found.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, nargs="+", default=[100_000, 1_000_000], help="of context")
    parser.add_argument("--calls", type=int, default=20, help="that are measured at each length (20)")
    parser.add_argument("--json", action="store_true", help="print one object of JSON a line")
    options = parser.parse_args()
    anyio.run(partial(measured, options.tokens, options.calls, as_json=options.json))


if __name__ == "__main__":
    main()
