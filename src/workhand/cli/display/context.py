"""``show --context``: the context of a session on a terminal, as a page, as a picture and as JSON."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workhand.cli.display import words
from workhand.core import budget, canonical
from workhand.core.events import ModelAnswered, ResultsCompacted
from workhand.core.log import Log
from workhand.core.render import render
from workhand.errors import ConfigError
from workhand.lab.report.account import Call, Report, report
from workhand.lab.report.blocks import KINDS, Kind
from workhand.lab.report.findings import Reduction
from workhand.lab.report.headlines import headlines
from workhand.lab.report.markup import counted, tokens

if TYPE_CHECKING:
    from workhand.core.canonical import Json

ROWS = 12
COLUMNS_MIN, COLUMNS_MAX = 40, 160
CALL_COLUMNS_MAX = 6
GUTTER = 13  # columns left of the chart
LISTED_MAX = 20  # reductions, and misses; the page has all of them
LEVELS = "▁▂▃▄▅▆▇█"
GLYPHS: dict[Kind, tuple[str, str]] = {
    "tools": ("░", "bright_black"),
    "system": ("░", "bright_black"),
    "summary": ("≡", "magenta"),
    "user": ("◆", "cyan"),
    "notice": ("◇", "cyan"),
    "assistant": ("▒", "blue"),
    "compacted": ("·", "green"),
    "repeat": ("·", "green"),
    "preview": ("▓", "yellow"),
    "result": ("█", "red"),
    "recital": ("'", "magenta"),
}


def show(log: Log, session: str, *, as_json: bool, html: Path | None, svg: Path | None) -> None:
    """Show the context of a session, or write it to files; ``-`` is standard output."""
    found = report(log, in_hindsight=True)
    if html is not None:
        from workhand.lab.report.page import page

        _write(html, page(found, session))
    if svg is not None:
        from workhand.lab.report import timeline

        _write(svg, timeline.svg(found, f"Context of session {session}"))
    if as_json:
        click.echo(canonical.encode(_facts(log, found)).decode())
    elif html is None and svg is None:
        _print(log, found, session)


def _write(path: Path, content: str) -> None:
    if str(path) == "-":
        sys.stdout.buffer.write(content.encode())
        return
    try:
        path.write_bytes(content.encode())
    except OSError as error:
        raise ConfigError(f"{str(path)!r} cannot be written: {error.strerror}; give another path.") from error
    click.echo(f"{path}: {len(content.encode()) / 1000:,.0f} kB", err=True)


# -- JSON ------------------------------------------------------------------------------------------------------------


def _facts(log: Log, found: Report) -> dict[str, object]:
    calls = [
        {
            "position": entry.position,
            "input_tokens": entry.event.usage.input_tokens,
            "cached_tokens": entry.event.usage.cached_tokens,
            "output_tokens": entry.event.usage.output_tokens,
            "cost_usd": entry.event.usage.cost_usd,
            "first_token_s": entry.event.first_token_s,
        }
        for entry in log.entries
        if isinstance(entry.event, ModelAnswered)
    ]
    return {
        "tokens": budget.context_tokens(log, log.policy),
        "window": log.policy.window,
        "bytes_by_kind": dict(_kinds(log)),
        "calls": calls,
        "compactions": [entry.position for entry in log.entries if isinstance(entry.event, ResultsCompacted)],
        "spent": log.spent,
        "report": found,
    }


def _kinds(log: Log) -> Counter[str]:
    """Count the bytes of the next prompt by what they are."""
    prompt = render(log, log.policy)
    sizes: Counter[str] = Counter()
    for piece in prompt.body:
        block: dict[str, Json] = json.loads(piece)
        kind = str(block.get("role", "tools"))
        text = str(block.get("text", ""))
        sizes["compacted" if kind == "tool" and text.startswith("[compacted]") else kind] += len(piece)
    sizes["recital"] = len(prompt.tail.encode())
    return sizes


# -- on a terminal ---------------------------------------------------------------------------------------------------


def _print(log: Log, found: Report, session: str) -> None:
    from workhand.cli.display.view import meter

    color = False if os.environ.get("NO_COLOR") else None  # None: if standard output is a terminal
    columns = max(COLUMNS_MIN, min(COLUMNS_MAX, shutil.get_terminal_size().columns))
    click.echo(meter(log))
    if not found.calls:
        click.echo("The model has not been called yet.")
        return
    click.echo()
    for line in (*_chart(found, columns - GUTTER - 3), "", *_headlines(found, columns), *_listed(found, columns)):
        click.echo(line, color=color)
    click.echo(f"\nEvery call and block: workhand show {session} --html context.html")


def _chart(found: Report, columns: int) -> Iterator[str]:
    """Draw the blocks of each request as a column of glyphs, with what happened below them."""
    buckets, wide = _buckets(found.calls, columns)
    tallest = [max(bucket, key=lambda call: call.context_tokens) for bucket in buckets]
    top = max(call.context_tokens for call in tallest)
    near = [(limit, name) for name, limit in _limits(found) if limit <= 2 * top]
    top = max([top, *(limit for limit, _ in near)])
    rules = {round(ROWS * limit / top) - 1: f"{name} {tokens(limit)}" for limit, name in sorted(near)}
    for row in range(ROWS - 1, -1, -1):
        label = rules.get(row, tokens(top * (row + 1) / ROWS) if row % 4 == 3 else "")
        cells = "".join(_cell(call, top * (row + 0.5) / ROWS, wide, rule=row in rules) for call in tallest)
        yield f"{label:>{GUTTER}} │{cells}".rstrip()
    yield f"{'0':>{GUTTER}} └{'─' * (wide * len(buckets))}"
    for name, marked in (("cut", _cuts(found)), ("work", _work(found))):
        line = "".join(_marked(bucket, marked) + " " * (wide - 1) for bucket in buckets)
        if line.strip():
            yield f"{name:>{GUTTER}}  {line}".rstrip()
    levels = [min(call.cached_tokens / (call.input_tokens or 1) for call in bucket) for bucket in buckets]
    yield f"{'cached':>{GUTTER}}  " + "".join(LEVELS[min(7, int(8 * level))] * wide for level in levels)
    last = f"{len(found.calls):,}" if len(found.calls) > 1 else ""
    yield f"{'call':>{GUTTER}}  1{last.rjust(max(0, wide * len(buckets) - 1))}"
    yield ""
    yield from _legend(found, columns)


def _limits(found: Report) -> tuple[tuple[str, int], ...]:
    window = found.window
    return ("trigger", window.trigger), ("pre-rot", window.pre_rot), ("window", window.hard)


def _buckets(calls: Sequence[Call], columns: int) -> tuple[list[Sequence[Call]], int]:
    """Give the calls of each column, and how wide a column is."""
    if len(calls) <= columns:
        return [[call] for call in calls], max(1, min(CALL_COLUMNS_MAX, columns // len(calls)))
    edges = [round(len(calls) * index / columns) for index in range(columns + 1)]
    return [calls[start:end] for start, end in pairwise(edges)], 1


def _cell(call: Call, at_tokens: float, wide: int, *, rule: bool) -> str:
    below = 0
    for share in call.shares:
        below += share.tokens
        if at_tokens < below:
            glyph, colour = GLYPHS[share.kind]
            gap = " " if wide > 2 else ""
            return click.style(glyph * (wide - len(gap)), fg=colour) + gap
    return ("╌" if rule else " ") * wide


def _cuts(found: Report) -> dict[int, str]:
    """Mark the calls before which the prompt or the cache was cut; what matters more is marked last."""
    marked = {call.number: "~" for call in found.calls if call.reason and call.gap_s > found.prices.lifetime_s}
    marked.update({each.call: "c" if each.what == "compaction" else "S" for each in found.reductions})
    return marked | {broken.call: "!" for broken in found.breaks}


def _work(found: Report) -> dict[int, str]:
    return {each.call: "r" for each in found.rereads} | {failure.call: "x" for failure in found.failures}


def _marked(bucket: Sequence[Call], marked: dict[int, str]) -> str:
    """Give the mark that matters most in a column."""
    seen = {marked[call.number] for call in bucket if call.number in marked}
    mark = next((mark for mark in "!Scx~r" if mark in seen), " ")
    return click.style(mark, fg="red", bold=True) if mark == "!" else mark


def _legend(found: Report, columns: int) -> Iterator[str]:
    latest = {share.kind: share.tokens for share in found.calls[-1].shares}
    seen = {share.kind for call in found.calls for share in call.shares}
    named = [
        (f"{GLYPHS[kind][0]} {kind} {tokens(latest.get(kind, 0))}", GLYPHS[kind][1])
        for kind in reversed(KINDS)
        if kind in seen
    ]
    signs = {"!": "unplanned break", "S": "summary", "c": "compaction", "~": "pause", "x": "failure", "r": "re-read"}
    used = {*_cuts(found).values(), *_work(found).values()}
    named += [(f"{sign} {name}", "") for sign, name in signs.items() if sign in used]
    yield from _wrapped(named, columns)


def _wrapped(named: Sequence[tuple[str, str]], columns: int) -> Iterator[str]:
    line, length = " ", 1
    for text, colour in named:
        if length + len(text) + 2 > columns + GUTTER:
            yield line
            line, length = " ", 1
        line += "  " + (click.style(text, fg=colour) if colour else text)
        length += len(text) + 2
    yield line


def _headlines(found: Report, columns: int) -> Iterator[str]:
    for each in headlines(found):
        first, *more = textwrap.wrap(f"{each.label}: {each.note}", columns - 12)
        yield f"{click.style(f'{each.figure:>10}', bold=True, fg='red' if each.loud else None)} {first}"
        yield from (" " * 11 + line for line in more)


def _listed(found: Report, columns: int) -> Iterator[str]:
    """List the reductions, the misses and the breaks, each with its reason."""
    missed = [
        f"call {call.number}: {tokens(call.missed_tokens)} of {tokens(call.planned_tokens)} planned tokens "
        f"not served: {words.short(call.because)}"
        for call in found.calls
        if call.missed_tokens
    ]
    broken = [
        f"before call {each.call}: piece {each.piece}, byte {each.byte}: {words.short(each.reason)}"
        for each in found.breaks
    ]
    refused = [
        f"before call {asked.call}: {words.short(' '.join(asked.reasons))}"
        for asked in found.summaries
        if not asked.accepted
    ]
    switched = [
        f"before call {each.call}: {each.model} to {each.purpose}: {words.short(each.reason)}"
        for each in found.switches
    ]
    yield from _some("UNPLANNED BREAKS", broken, columns)
    yield from _some("Reductions", [_reduction(each) for each in found.reductions], columns)
    yield from _some("Less cached than planned", missed, columns)
    yield from _some("Summaries refused", refused, columns)
    yield from _some("Other models", switched, columns)


def _reduction(each: Reduction) -> str:
    took = f"{counted(each.results, 'result')} and {counted(each.arguments, 'argument')}"
    took = took if each.what == "compaction" else "history"
    return (
        f"before call {each.call}: {each.what}, ≈ {tokens(each.removed_tokens)} tokens of {took} removed, "
        f"≈ {tokens(each.rewritten_tokens)} sent anew: {each.reason}"
    )


def _some(title: str, lines: Sequence[str], columns: int) -> Iterator[str]:
    """Give the latest lines below a title, if there are any."""
    if not lines:
        return
    yield ""
    yield click.style(title, bold=True)
    if len(lines) > LISTED_MAX:
        yield f"  … {counted(len(lines) - LISTED_MAX, 'earlier one')}"
    for line in lines[-LISTED_MAX:]:
        yield textwrap.fill(line, columns - 1, initial_indent="  ", subsequent_indent="    ")
