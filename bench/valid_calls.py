"""Count the calls of the local model that are not what the mask and the tool's schema allow.

Masks, tool lists and requests vary by a seeded choice; among the tools are the executor's own and
some whose schemas use every keyword that a grammar keeps, or drops.  A call is invalid if it cannot be
read, names a tool outside the mask, or does not match the tool's own schema; one that was cut off at the
token limit is counted apart.  Exits with 1 unless both are zero.

With ``--families`` the executor's own functions are walked through instead: in contexts that grow, each family in its
turn is what the mask leaves, then each of its functions alone.

    python bench/valid_calls.py [--calls 500] [--seed 1] [--families] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
import jsonschema

from workhand.core.canonical import Json, encode
from workhand.core.events import ModelAnswered, Observation, ToolReturned, UserSaid
from workhand.core.log import Log
from workhand.core.mask import Mask, family
from workhand.core.policy import Policy, ToolSpec
from workhand.core.render import render
from workhand.errors import MalformedAnswer
from workhand.models.local import LocalModel
from workhand.models.local_files import pull
from workhand.tools.specs import specs

K = TypeVar("K")
CACHE = Path(os.environ.get("WORKHAND_CACHE") or "~/.cache/workhand").expanduser()
ANSWER_TOKENS_MAX = 320
STRING_CHARS_MAX = 24


def tool(name: str, required: str, **properties: Json) -> ToolSpec:
    schema: Json = {"type": "object", "properties": properties, "required": [*required.split()]}
    return ToolSpec(name, f"Take {required or 'nothing'}.", encode(schema).decode())


TEXT: Json = {"type": "string"}
POINT: Json = {
    "type": "object",
    "properties": {"x": {"type": "number"}, "y": {"type": "number"}},
    "required": ["x", "y"],
}
NODE = {
    "type": "object",
    "properties": {"node": {"$ref": "#/$defs/node"}},
    "required": ["node"],
    "$defs": {"node": {"type": "object", "properties": {"id": TEXT}, "required": ["id"]}},
}
ODD = (
    tool("odd_nothing", ""),
    tool("odd_choice", "level exact", level={"type": "string", "enum": ["low", "high"]}, exact={"const": 7}),
    tool("odd_null", "value", value={"type": ["string", "null"]}),
    tool("odd_flags", "a", a={"type": "boolean"}, b={"type": "boolean"}),
    tool("odd_point", "point", point=POINT),
    tool("odd_range", "share", share={"type": "number", "minimum": 0, "maximum": 1}),
    tool("odd_union", "value", value={"anyOf": [{"type": "integer"}, {"type": "array", "items": TEXT}]}),
    tool("odd_address", "url", url={"type": "string", "format": "uri"}),
    tool("odd_lines", "lines", lines={"type": "array", "items": TEXT, "minItems": 2, "maxItems": 12}),
    tool("odd_short", "text", text={"type": "string", "minLength": 3, "maxLength": 9}, note=TEXT),
    ToolSpec("odd_node", "Take a node.", encode(NODE).decode()),
)
LISTS = (specs(), ODD, (*specs()[::2], *ODD[::2]), (*ODD[::-1], *specs()[5:]))
SUBJECTS = (
    "notes.txt",
    "the log",
    "größe.md",
    "日本語.txt",
    'a "quoted" name',
    "</tool_call>",
    "<|im_end|>",
    "{}",
    "42",
)
REQUESTS = ("Read {}.", "Write a poem about {}.", "What is {}?", "Run it on {} twice.", "Never touch {}!", "{}")


FAMILIES = ("plan_", "message_", "file_", "shell_", "browser_", "search_")
CALLS_IN_CONTEXT = 12  # after which one is begun anew: the window is small


async def count(calls: int, seed: int) -> Counter[str]:
    """Ask for calls of all lists, each request in a context of its own; count how they went."""
    chance = random.Random(seed)

    async def ask(model: LocalModel) -> Counter[str]:
        return Counter([await one(model, i % len(LISTS), chance) for i in range(calls)])

    return await with_model(ask)


async def walk(calls: int, seed: int) -> Counter[tuple[str, str]]:
    """Walk through the families of the executor's functions; count by function and by how it went."""
    chance = random.Random(seed)

    async def ask(model: LocalModel) -> Counter[tuple[str, str]]:
        outcomes: Counter[tuple[str, str]] = Counter()
        log = Log()
        for i, mask in enumerate(islice(masks(), calls)):
            log = (log if i % CALLS_IN_CONTEXT else Log()).then(UserSaid(request(chance)))
            outcome, answer = await asked(model, log, policy_of(LISTS[0]), mask, session="walk")
            outcomes[answer.calls[0].tool if answer else "none", outcome] += 1
            if answer:
                log = log.then(answer).then(ToolReturned(answer.calls[0].id, Observation("Done.", "Done.")))
        return outcomes

    return await with_model(ask)


def masks() -> Iterator[Mask]:
    """Give for ever: a family, and one of its functions alone, of each family in turn."""
    names = [spec.name for spec in LISTS[0]]
    turn = 0
    while True:
        for prefix in FAMILIES:
            members = family(names, prefix)
            yield members
            yield Mask("specified", (members.tools[turn % len(members.tools)],))
        turn += 1


async def with_model(ask: Callable[[LocalModel], Awaitable[Counter[K]]]) -> Counter[K]:
    with tempfile.TemporaryDirectory() as directory:
        file = await anyio.to_thread.run_sync(pull, CACHE, lambda words: print(words, file=sys.stderr))
        model = LocalModel(file, Path(directory), sessions_max=len(LISTS), string_chars_max=STRING_CHARS_MAX)
        async with model:
            return await ask(model)


async def one(model: LocalModel, which: int, chance: random.Random) -> str:
    """Ask for one call under a mask made by chance, and say how it went."""
    policy = policy_of(LISTS[which])
    names = sorted(spec.name for spec in policy.tools)
    mask = Mask("specified", tuple(sorted(chance.sample(names, chance.randint(1, len(names))))))
    outcome, _ = await asked(model, Log().then(UserSaid(request(chance))), policy, mask, session=f"list {which}")
    return outcome


async def asked(
    model: LocalModel, log: Log, policy: Policy, mask: Mask, *, session: str
) -> tuple[str, ModelAnswered | None]:
    """Ask for one call; say how it went, and give the answer if it could be read, its call numbered."""
    try:
        answer = await model.answer(render(log, policy), mask, session=session, watch=lambda _: None)
    except MalformedAnswer as error:
        return "cut off" if "cut off" in str(error) else "unreadable", None
    [call] = answer.calls
    answer = replace(answer, calls=(replace(call, id=f"c{log.head}"),))
    if not mask.allows(call.tool):
        return "outside the mask", answer
    schema = next(json.loads(spec.parameters) for spec in policy.tools if spec.name == call.tool)
    fits = jsonschema.Draft202012Validator(schema).is_valid(json.loads(call.arguments))
    return "valid" if fits else f"outside the schema of {call.tool}", answer


def policy_of(tools: tuple[ToolSpec, ...]) -> Policy:
    return Policy(model="local", system_prompt="You are an agent.", tools=tools, answer_tokens_max=ANSWER_TOKENS_MAX)


def request(chance: random.Random) -> str:
    return chance.choice(REQUESTS).format(chance.choice(SUBJECTS))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--families", action="store_true", help="walk through the families of the executor's functions")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    started = time.monotonic()
    if options.families:
        walked = anyio.run(walk, options.calls, options.seed)
        outcomes = Counter({f"{outcome} {tool}": n for (tool, outcome), n in sorted(walked.items())})
        outcomes["valid"] = sum(n for (_, outcome), n in walked.items() if outcome == "valid")
    else:
        outcomes = anyio.run(count, options.calls, options.seed)
    seconds = time.monotonic() - started
    if options.json:
        print(json.dumps({"calls": options.calls, "seed": options.seed, "outcomes": outcomes, "seconds": seconds}))
    else:
        print(f"{options.calls} calls in {seconds:.0f} s: " + ", ".join(f"{n} {name}" for name, n in outcomes.items()))
    return 0 if outcomes["valid"] == options.calls else 1


if __name__ == "__main__":
    sys.exit(main())
