"""How recorded requests are cut into blocks, billed and judged."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from bench.peers.audit import Audited, Cache, audited, lost, read, rows
from bench.peers.blocks import BLOCK_TOKENS, Blocks
from bench.peers.session import Call, Session, Step, Turn, write
from workhand.core.policy import Prices
from workhand.lab.request import Billed, Block, Request

SESSION = Session(
    "tiny",
    "",
    (
        Turn(
            "Look into /etc/hosts.",
            (
                Step("", (Call("look", {"at": "/etc/hosts"}, "order-7731 is late"),)),
                Step("", (Call("look", {"at": "order-7731", "as": "never-seen-1"}, "paid"),)),
                Step("It is late.", ()),
            ),
        ),
    ),
)
FREE = Prices(write=1.0, read=0.0, output=0.0)
SYSTEM = {"role": "system", "content": "system"}
TASK, CALL, RESULT, PAID, PAST = (
    {"role": "user", "content": text} for text in ("/etc/hosts", "call", "order-7731 is late", "paid", "the past")
)


def words(text: str) -> int:
    return len(text.split())


def record(step: int, *messages: dict[str, Any], kind: str = "step") -> dict[str, Any]:
    return {"kind": kind, "step": step, "body": {"messages": list(messages)}, "text": "two words", "calls": []}


def judged(*records: dict[str, Any], prices: Prices = FREE) -> Audited:
    return audited(iter(records), SESSION, 1.5, Blocks(words), prices)


@pytest.mark.parametrize(
    "body",
    [
        {
            "tools": [{"name": "look"}],
            "messages": [
                {"role": "system", "content": "system"},
                {"role": "user", "content": "task"},
                {"role": "assistant", "content": "text", "tool_calls": [{"function": {"name": "look"}}]},
                {"role": "tool", "tool_call_id": "c", "content": "result"},
            ],
        },
        {
            "tools": [{"name": "look"}],
            "system": [{"type": "text", "text": "system", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "user", "content": "task"},
                {
                    "role": "assistant",
                    "content": [{"type": "text", "text": "text"}, {"type": "tool_use", "name": "look"}],
                },
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "result"}]},
            ],
        },
        {
            "tools": [{"name": "look"}],
            "instructions": "system",
            "input": [
                {"role": "user", "content": "task"},
                {"role": "assistant", "type": "message", "content": [{"type": "output_text", "text": "text"}]},
                {"type": "function_call", "name": "look"},
                {"type": "function_call_output", "call_id": "c", "output": "result"},
            ],
        },
    ],
    ids=["chat", "messages", "responses"],
)
def test_every_wire_format_gives_tools_system_and_then_one_block_a_part(body: dict[str, Any]) -> None:
    blocks = Blocks(words)
    assert [block.key for block in blocks.of(body)] == [0, 1, 2, 3, 4, 5]
    assert blocks.of({"system": "system"})[0].tokens == 1 + BLOCK_TOKENS


def test_a_mark_for_a_cache_and_the_place_of_a_block_do_not_change_it() -> None:
    part = {"type": "text", "text": "task"}
    marked = {**part, "cache_control": {"type": "ephemeral"}}
    blocks = Blocks(words)
    plain = blocks.of({"messages": [{"role": "user", "content": [part]}]})
    assert blocks.of({"messages": [{"role": "user", "content": [marked]}]}) == plain
    assert blocks.of({"messages": [{"role": "user", "content": "task"}]}) == plain


def test_equal_results_of_two_calls_are_two_blocks() -> None:
    results = [{"role": "tool", "tool_call_id": id, "content": "done"} for id in ("c1", "c2")]
    assert [block.key for block in Blocks(words).of({"messages": results})] == [0, 1]


def test_the_cache_keeps_every_prefix_and_nothing_else() -> None:
    a, b, c = Block(1, 10), Block(2, 20), Block(3, 40)
    cache = Cache()
    billed = [cache.bill(Request(blocks)) for blocks in [(a, b), (a, c), (a, b, c), (b, c)]]
    assert billed == [Billed(0, 30), Billed(10, 40), Billed(30, 40), Billed(0, 60)]


def test_what_a_request_loses_is_all_behind_the_common_prefix() -> None:
    a, b, c = Block(1, 10), Block(2, 20), Block(3, 40)
    assert [lost((a, b), after) for after in [(a, b, c), (a, c, b), (a,), (c, a, b)]] == [0, 20, 20, 30]


def test_a_loop_that_only_appends_writes_every_block_once() -> None:
    made = judged(
        record(0, SYSTEM, TASK), record(1, SYSTEM, TASK, CALL, RESULT), record(2, SYSTEM, TASK, CALL, RESULT, PAID)
    )
    assert made == Audited(
        cost=27.0,  # 1 + 1 + 1 + 3 + 1 words, and five blocks
        summary_cost=0.0,
        reread_cost=0.0,
        input=10 + 22 + 27,
        cached=10 + 22,
        steps=3,
        summaries=0,
        breaks=0,
        rereads=0,
        own_prompt=5,
        peak=27,
        context=59,
        cpu_s=1.5,
    )


def test_a_summary_is_billed_and_a_step_that_lost_what_it_needs_is_charged_for_reading_again() -> None:
    made = judged(
        record(0, SYSTEM, TASK),
        record(-1, SYSTEM, PAST, kind="summary"),
        record(1, SYSTEM, PAST),
        prices=Prices(write=1.0, read=0.0, output=100.0),
    )
    assert (made.steps, made.summaries, made.rereads) == (2, 1, 1)
    assert made.cost == 5 + 5 + 6 + 3 * 200
    assert made.summary_cost == 6 + 200
    assert made.reread_cost == 2_500 + 60 * 100


def test_packages_are_compared_on_the_sessions_that_the_plain_loop_has_too(tmp_path: Path) -> None:
    write(SESSION, tmp_path / "sessions" / "single" / "tiny.json")
    keep(tmp_path / "runs" / "plain_openai" / "single-default", record(0, TASK), record(1, TASK, CALL, RESULT))
    keep(tmp_path / "runs" / "other" / "single-default", record(0, SYSTEM, TASK), record(1, SYSTEM, TASK, CALL, RESULT))
    found = read(tmp_path, Blocks(words))["single-default"]
    listed = [
        (row.name, row.sessions, row.own_prompt_tokens, row.cpu_ms_per_call)
        for row in rows(found, found["plain_openai"])
    ]
    assert listed == [("plain_openai", 1, 0, 250.0), ("other", 1, 5, 250.0)]


def keep(folder: Path, *records: dict[str, Any]) -> None:
    folder.mkdir(parents=True)
    (folder / "tiny.json").write_text('{"cpu_s": 0.5}', "utf-8")
    with gzip.open(folder / "tiny.jsonl.gz", "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(each) + "\n" for each in records)
