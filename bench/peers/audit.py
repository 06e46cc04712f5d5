"""Bill and judge all that was recorded of a run, every package by the same measure.

Each request is cut into blocks and billed with an ideal cache of longest common
prefixes, one a session.  Requests for a summary are billed like the others.  A
package that drops what a later step needs would have to read it again; a
recording cannot show that, so such a step is found by its identifiers and
charged in a column of its own.

    python bench/peers/audit.py OUT [--json]
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from bench.peers import session as sessions
from bench.peers.blocks import Blocks, Count, counter, texts
from workhand.core.policy import Prices
from workhand.lab.request import Billed, Block, Request

BASELINE = "plain_openai"
BREAK_TOKENS_MIN = 100  # less than this behind the common prefix is a changing tail, not a break
REREAD_TOKENS = 2_500
REREAD_OUTPUT_TOKENS = 60  # of the call that asks for it
IDENTIFIER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./:@%-]{5,}")
TELLING = re.compile(r"[0-9_/@]|\w\.\w")  # a word without one of these is language


@dataclass(frozen=True, slots=True)
class Audited:
    """What one recording costs and shows.  Tokens, unless the name says otherwise."""

    cost: float  # in tokens of uncached input
    summary_cost: float  # the part of it that requests for summaries have
    reread_cost: float  # not in it
    input: int
    cached: int
    steps: int
    summaries: int
    breaks: int
    rereads: int
    own_prompt: int
    peak: int
    context: int  # added up over all steps
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    sessions: int
    missing: int
    steps: int
    cost: float  # over the plain loop
    cost_of_summaries: float  # the part of it that requests for summaries have
    cost_with_rereads: float
    hit: float
    breaks_per_100: float
    rereads_per_100: float
    summaries: int
    own_prompt_tokens: int  # more than the plain loop's
    mean_tokens: int
    peak_tokens: int
    cpu_ms_per_call: float


class Cache:
    """An ideal cache: it keeps every prefix of every request, and writes the rest."""

    def __init__(self) -> None:
        self._next: dict[tuple[int, int], int] = {}

    def bill(self, request: Request) -> Billed:
        node = cached = written = 0
        for block in request.blocks:
            step = (node, block.key)
            if step in self._next:
                cached += block.tokens
            else:
                written += block.tokens
            node = self._next.setdefault(step, len(self._next) + 1)
        return Billed(cached, written)


class Needs:
    """What each step needs: identifiers in its arguments that had been seen in the session before it."""

    def __init__(self, session: sessions.Session) -> None:
        self.steps: list[frozenset[str]] = []
        seen = identifiers(session.system)
        for turn in session.turns:
            seen |= identifiers(turn.task)
            for step in turn.steps:
                written = "\n".join(text for call in step.calls for text in texts(call.arguments))
                named = identifiers(written)
                self.steps.append(frozenset(named & seen))
                seen |= named | identifiers(step.text)
                seen |= {name for call in step.calls for name in identifiers(call.result)}

    def missing(self, step: int, body: dict[str, Any]) -> bool:
        if step >= len(self.steps) or not self.steps[step]:
            return False
        read = "\n".join(texts(body))
        return any(name not in read for name in self.steps[step])


def identifiers(text: str) -> set[str]:
    found = {name.rstrip("./:-%") for name in IDENTIFIER.findall(text)}
    return {name for name in found if len(name) >= 6 and TELLING.search(name)}


def audited(
    records: Iterator[dict[str, Any]], session: sessions.Session, cpu_s: float, blocks: Blocks, prices: Prices
) -> Audited:
    cache, needs = Cache(), Needs(session)
    cost = summary_cost = reread_cost = 0.0
    inputs = cached = steps = summaries = breaks = rereads = peak = context = own_prompt = 0
    before: tuple[Block, ...] = ()
    for record in records:
        if record["kind"] in ("count", "other"):
            continue
        request = Request(blocks.of(record["body"]), output_tokens=output_tokens(record, blocks.count))
        billed = cache.bill(request)
        price = billed.cost(prices, request.output_tokens)
        cost += price
        inputs += billed.input
        cached += billed.cached
        if record["kind"] == "summary":
            summaries += 1
            summary_cost += price
            continue
        if not steps:
            own_prompt = blocks.prompt_tokens(record["body"])
        steps += 1
        peak = max(peak, billed.input)
        context += billed.input
        breaks += lost(before, request.blocks) >= BREAK_TOKENS_MIN
        before = request.blocks
        if needs.missing(record["step"], record["body"]):
            rereads += 1
            again = Billed(cached=billed.input, written=REREAD_TOKENS)
            reread_cost += again.cost(prices, REREAD_OUTPUT_TOKENS)
    return Audited(
        cost=cost,
        summary_cost=summary_cost,
        reread_cost=reread_cost,
        input=inputs,
        cached=cached,
        steps=steps,
        summaries=summaries,
        breaks=breaks,
        rereads=rereads,
        own_prompt=own_prompt,
        peak=peak,
        context=context,
        cpu_s=cpu_s,
    )


def output_tokens(record: dict[str, Any], count: Count) -> int:
    return count(record["text"]) + sum(count(f"{tool} {given}") for tool, given in record["calls"])


def lost(before: tuple[Block, ...], after: tuple[Block, ...]) -> int:
    """Count the tokens of a request that the next one does not begin with."""
    for index, block in enumerate(before):
        if index >= len(after) or after[index].key != block.key:
            return sum(each.tokens for each in before[index:])
    return 0


def lines(recording: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(recording, "rt", encoding="utf-8") as held:
        for line in held:
            yield json.loads(line)


def read(out: Path, blocks: Blocks) -> dict[str, dict[str, dict[str, Audited]]]:
    """Audit every finished run: by set and limit, then by package, then by session."""
    sessions_at = {file.stem: file for file in sorted((out / "sessions").rglob("*.json"))}
    found: dict[str, dict[str, dict[str, Audited]]] = {}
    for report in sorted((out / "runs").rglob("*.json")):
        session = sessions.read(sessions_at[report.stem])
        cpu_s = json.loads(report.read_text("utf-8")).get("cpu_s", 0.0)
        made = audited(lines(report.with_suffix(".jsonl.gz")), session, cpu_s, blocks, Prices())
        found.setdefault(report.parent.name, {}).setdefault(report.parent.parent.name, {})[session.id] = made
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def rows(by_name: dict[str, dict[str, Audited]], baseline: dict[str, Audited]) -> list[Row]:
    made = [row(name, found, baseline) for name, found in by_name.items() if found.keys() & baseline.keys()]
    return sorted(made, key=lambda each: each.cost_with_rereads)


def row(name: str, found: dict[str, Audited], baseline: dict[str, Audited]) -> Row:
    """Set a package's sessions against the plain loop's, as far as both were run."""
    ids = sorted(found.keys() & baseline.keys())
    ours, plain = [found[id] for id in ids], [baseline[id] for id in ids]
    steps, plain_cost = sum(each.steps for each in ours), sum(each.cost for each in plain)
    cost, extra = sum(each.cost for each in ours), sum(each.reread_cost for each in ours)
    return Row(
        name=name,
        sessions=len(ids),
        missing=len(baseline) - len(ids),
        steps=steps,
        cost=round(cost / plain_cost, 3),
        cost_of_summaries=round(sum(each.summary_cost for each in ours) / plain_cost, 3),
        cost_with_rereads=round((cost + extra) / plain_cost, 3),
        hit=round(sum(each.cached for each in ours) / sum(each.input for each in ours), 4),
        breaks_per_100=round(100 * sum(each.breaks for each in ours) / steps, 1),
        rereads_per_100=round(100 * sum(each.rereads for each in ours) / steps, 1),
        summaries=sum(each.summaries for each in ours),
        own_prompt_tokens=round(
            sum(one.own_prompt - other.own_prompt for one, other in zip(ours, plain, strict=True)) / len(ids)
        ),
        mean_tokens=round(sum(each.context for each in ours) / steps),
        peak_tokens=max(each.peak for each in ours),
        cpu_ms_per_call=round(1_000 * sum(each.cpu_s for each in ours) / steps, 1),
    )


def table(title: str, listed: list[Row]) -> str:
    heads = (
        "",
        "cost",
        "summing",
        "+reread",
        "hit",
        "breaks",
        "rereads",
        "summaries",
        "own",
        "mean",
        "peak",
        "cpu ms",
        "runs",
    )
    cells = [heads] + [
        (
            each.name,
            f"{each.cost:.3f}",
            f"{each.cost_of_summaries:.3f}",
            f"{each.cost_with_rereads:.3f}",
            f"{each.hit:.1%}",
            f"{each.breaks_per_100:.1f}",
            f"{each.rereads_per_100:.1f}",
            str(each.summaries),
            f"{each.own_prompt_tokens:+,}",
            f"{each.mean_tokens:,}",
            f"{each.peak_tokens:,}",
            f"{each.cpu_ms_per_call:.1f}",
            f"{each.sessions}" + (f" (-{each.missing})" if each.missing else ""),
        )
        for each in listed
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rest = ["  ".join(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)) for line in cells]
    return "\n".join([title, *(f"{line[0]:{widths[0]}}  {right}" for line, right in zip(cells, rest, strict=True))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--json", action="store_true", help="print one object of JSON")
    options = parser.parse_args()
    unit, count = counter()
    found = read(options.out, Blocks(count))
    baselines = {kind.partition("-")[0]: names.get(BASELINE, {}) for kind, names in found.items() if BASELINE in names}
    made = {kind: rows(names, baselines.get(kind.partition("-")[0], {})) for kind, names in sorted(found.items())}
    if options.json:
        print(json.dumps({"tokens": unit, **{kind: [asdict(each) for each in made[kind]] for kind in made}}))
    else:
        print(f"tokens: {unit}; breaks and rereads are per 100 calls\n")
        print("\n\n".join(table(kind, made[kind]) for kind in made))


if __name__ == "__main__":
    main()
