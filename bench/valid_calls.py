"""Count the calls of the local model that are not what the mask and the tool's schema allow.

Masks, tool lists and requests vary by a seeded choice; among the tools are the executor's own and
some whose schemas use every keyword that a grammar keeps, or drops.  A call is invalid if it cannot be
read, names a tool outside the mask, or does not match the tool's own schema; one that was cut off at the
token limit is counted apart.  Exits with 1 unless both are zero.

    python bench/valid_calls.py [--calls 500] [--seed 1] [--json]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import anyio
import anyio.to_thread
import jsonschema

from workhand.core.canonical import Json, encode
from workhand.core.events import UserSaid
from workhand.core.log import Log
from workhand.core.mask import Mask
from workhand.core.policy import Policy, ToolSpec
from workhand.core.render import render
from workhand.errors import MalformedAnswer
from workhand.models.local import LocalModel
from workhand.models.local_files import pull
from workhand.tools.specs import specs

CACHE = Path("~/.cache/workhand").expanduser()
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


async def count(calls: int, seed: int) -> Counter[str]:
    chance = random.Random(seed)
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as directory:
        file = await anyio.to_thread.run_sync(pull, CACHE, lambda words: print(words, file=sys.stderr))
        model = LocalModel(file, Path(directory), sessions_max=len(LISTS), string_chars_max=STRING_CHARS_MAX)
        async with model:
            for i in range(calls):
                outcomes[await one(model, i % len(LISTS), chance)] += 1
    return outcomes


async def one(model: LocalModel, which: int, chance: random.Random) -> str:
    """Ask for one call and say how it went."""
    policy = Policy(
        model="local", system_prompt="You are an agent.", tools=LISTS[which], answer_tokens_max=ANSWER_TOKENS_MAX
    )
    schemas = {spec.name: json.loads(spec.parameters) for spec in policy.tools}
    mask = Mask("specified", tuple(sorted(chance.sample(sorted(schemas), chance.randint(1, len(schemas))))))
    request = chance.choice(REQUESTS).format(chance.choice(SUBJECTS))
    prompt = render(Log().then(UserSaid(request)), policy)
    try:
        answer = await model.answer(prompt, mask, session=f"list {which}", watch=lambda _: None)
    except MalformedAnswer as error:
        return "cut off" if "cut off" in str(error) else "unreadable"
    [call] = answer.calls
    if not mask.allows(call.tool):
        return "outside the mask"
    fits = jsonschema.Draft202012Validator(schemas[call.tool]).is_valid(json.loads(call.arguments))
    return "valid" if fits else f"outside the schema of {call.tool}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    started = time.monotonic()
    outcomes = anyio.run(count, options.calls, options.seed)
    seconds = time.monotonic() - started
    if options.json:
        print(json.dumps({"calls": options.calls, "seed": options.seed, "outcomes": outcomes, "seconds": seconds}))
    else:
        print(f"{options.calls} calls in {seconds:.0f} s: " + ", ".join(f"{n} {name}" for name, n in outcomes.items()))
    return 0 if outcomes["valid"] == options.calls else 1


if __name__ == "__main__":
    sys.exit(main())
