"""The areas of a timeline, in units of calls and thousandths of their height.

Each is a single outline of whole numbers, and equal neighbours are one step, so a
session of a thousand calls is a picture of some ten thousand bytes.  Stacked layers are
painted over each other from the highest to the lowest: only their upper edges are
drawn.  Who shows them scales them, and names them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from workhand.lab.report import markup
from workhand.lab.report.account import Report
from workhand.lab.report.blocks import KINDS, MEANING

UNIT = 10  # across, for one call
FULL = 1_000  # from the bottom to the top
FAR = 2.2  # a threshold so many times the peak away is not in the plot


def running_costs(report: Report) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Give what the session had cost after each call, and what append-only would have."""
    own = [call.cost for call in report.calls]
    for asked in report.summaries:
        own[min(asked.call, len(own)) - 1] += asked.cost
    return tuple(accumulate(own)), tuple(accumulate(call.append_only_cost for call in report.calls))


def scale(report: Report) -> float:
    """Give the tokens at the top of the plot: thresholds are in it unless they are far away."""
    peak = max((call.context_tokens for call in report.calls), default=0) or 1
    window = report.window
    near = [limit for limit in (window.trigger, window.pre_rot, window.hard) if limit <= FAR * peak]
    return 1.09 * max([peak, *near])


def areas(report: Report, top_tokens: float) -> str:
    """Draw the blocks by kind, one above the other, the whole stack first and its lowest layer last."""
    found = []
    tops = [0] * len(report.calls)
    for kind in KINDS:
        sizes = [next((share.tokens for share in call.shares if share.kind == kind), 0) for call in report.calls]
        tops = [below + size for below, size in zip(tops, sizes, strict=True)]
        if any(sizes):
            said = markup.text(f"{kind}: {MEANING[kind]}; {max(sizes):,} tokens at most")
            path = steps([round(FULL * top / top_tokens) for top in tops])
            found.append(f'<path class="wh-{kind}" d="{path}"><title>{said}</title></path>')
    return f'<g id="wh-areas">{"".join(reversed(found))}</g>'


def served(report: Report) -> str:
    """Draw how the input of each call was billed: cached, written, neither."""
    shares = [
        (call.cached_tokens / (call.input_tokens or 1), call.written_tokens / (call.input_tokens or 1))
        for call in report.calls
    ]
    layers = (
        ("new", [FULL] * len(shares)),
        ("written", [round(FULL * min(1.0, cached + written)) for cached, written in shares]),
        ("cached", [round(FULL * min(1.0, cached)) for cached, _ in shares]),
    )
    paths = "".join(f'<path class="wh-{name}" d="{steps(heights)}"/>' for name, heights in layers)
    return f'<g id="wh-served">{paths}</g>'


def costs(report: Report) -> str:
    own, instead = running_costs(report)
    top = max(own[-1], instead[-1]) or 1
    layers = (("instead", instead), ("own", own))
    paths = "".join(
        f'<path class="wh-{name}" d="{slope([round(FULL * cost / top) for cost in costs])}"/>'
        for name, costs in sorted(layers, key=lambda layer: -layer[1][-1])
    )
    return f'<g id="wh-costs">{paths}</g>'


def steps(heights: Sequence[int]) -> str:
    """Give the outline of columns from left to right, equal neighbours as one."""
    path, at, run = [f"M0 {FULL}"], 0, 0
    for height in heights:
        if height != at:
            path.append((f"h{run * UNIT}" if run else "") + f"v{at - height}")
            at, run = height, 0
        run += 1
    return "".join(path) + f"h{run * UNIT}V{FULL}z"


def slope(heights: Sequence[int]) -> str:
    """Give the outline below a line that rises at the end of each call."""
    path, at = [f"M0 {FULL}"], 0
    for height in heights:
        path.append(f"l{UNIT} {at - height}")
        at = height
    return "".join(path) + f"V{FULL}z"
