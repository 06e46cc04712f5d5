"""The timeline of a session as an SVG: what filled the context, what was cut, what the cache served, what it cost.

The areas are drawn once, in units of calls and thousandths, and shown in one of two
layouts: a wide one, and a narrow one whose letters stay readable at the width of a
telephone; a media query chooses.  Everything is named where it stands, so that no
legend has to be decoded, and each colour differs from its neighbours in lightness,
too.  There is no script, no font and no address in it, and equal reports give equal
bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from workhand.lab.report import areas, colours, markup
from workhand.lab.report.account import Report
from workhand.lab.report.blocks import KINDS

GAPS_MAX = 90  # calls: above this columns are too thin for gaps
WIDTH, HEIGHT = 1_200, 780
UNTITLED = 40  # of the height, which the title takes
MINUS = "\N{MINUS SIGN}"
CHAR_WIDTH = 0.56  # of the font size, on average, in any sans serif

Tone: TypeAlias = Literal["break", "summary", "cut", "cold"]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand, in the units of one viewport."""

    name: str
    scale: float  # of its units to those of the whole drawing
    font: float
    left: float
    right: float
    flags: int  # rows of labels above the plot
    title: float
    plot: float  # heights
    lane: float
    band: float
    cost: float
    gap: float
    ticks: int

    @property
    def width(self) -> float:
        return WIDTH / self.scale - self.left - self.right

    @property
    def row(self) -> float:
        return self.font * 1.35

    @property
    def plot_top(self) -> float:
        return self.title + self.flags * self.row + 6

    @property
    def lanes_top(self) -> float:
        return self.plot_top + self.plot + self.gap / 2

    @property
    def band_top(self) -> float:
        return self.lanes_top + 2 * self.lane + self.gap

    @property
    def cost_top(self) -> float:
        return self.band_top + self.band + self.gap


WIDE = Layout("wide", 1.0, 13, 58, 204, 3, 54, 366, 18, 60, 112, 24, 12)
NARROW = Layout("narrow", 2.5, 10.5, 42, 134, 1, 22, 134, 11, 22, 40, 14, 4)


@dataclass(frozen=True, slots=True)
class Flag:
    """Something that happened before a call, worth a line through the plot."""

    call: int
    tone: Tone
    label: str
    said: str  # in full, for who cannot see it or points at it
    weight: float  # heavier ones are labelled first


def svg(report: Report, title: str = "") -> str:
    """Draw the timeline of a report."""
    top = areas.scale(report)
    flags = sorted(_flags(report), key=lambda flag: (-flag.weight, flag.call))
    above = 0 if title else UNTITLED
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="wh-timeline" viewBox="0 {above} {WIDTH} {HEIGHT - above}" '
        f'role="img" aria-labelledby="wh-title wh-desc" preserveAspectRatio="xMidYMin meet">',
        f'<title id="wh-title">{markup.text(title or "The context of a session over its calls")}</title>',
        f'<desc id="wh-desc">{markup.text(described(report), 2_000)}</desc>',
        f"<style>{colours.CHART}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}"/>',
        f"<defs>{areas.areas(report, top)}{areas.served(report)}{areas.costs(report)}</defs>" if report.calls else "",
        *(part for layout in (WIDE, NARROW) for part in _drawn(report, layout, top, flags, title)),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def described(report: Report) -> str:
    """Say in words what the timeline shows."""
    totals, window = report.totals, report.window
    if not report.calls:
        return "The model has not been called."
    compactions = sum(each.what == "compaction" for each in report.reductions)
    return (
        f"{totals.calls:,} calls of the model. The context peaked at {totals.peak_tokens:,} tokens at call "
        f"{totals.peak_call:,}; the trigger is {window.trigger:,}, the window {window.hard:,}. "
        f"{compactions:,} compactions and {len(report.reductions) - compactions:,} summaries removed about "
        f"{totals.removed_tokens:,} tokens. {markup.share(totals.cached_tokens, totals.input_tokens)} of the input "
        f"came from the cache. {len(report.rereads):,} re-reads, {len(report.failures):,} failures, "
        f"{len(report.breaks):,} unplanned breaks. The session cost {totals.cost:,.0f} tokens of uncached input; "
        f"append-only would have cost about {totals.append_only_cost:,.0f}."
    )


# -- a layout --------------------------------------------------------------------------------------------------------


def _drawn(report: Report, layout: Layout, top: float, flags: list[Flag], title: str) -> Iterator[str]:
    yield f'<g class="{layout.name}" transform="scale({_n(layout.scale)})" font-size="{_n(layout.font)}">'
    if title:
        yield _text(0 if layout is NARROW else 4, layout.font * 1.5, title, "heading")
    if report.calls:
        yield _text(4, layout.font * 3, _subtitle(report), "faint") if title and layout is WIDE else ""
        yield from _plot(report, layout, top)
        yield from _thresholds(report, layout, top)
        yield from _flagged(report, layout, flags)
        yield from _lanes(report, layout)
        yield from _band(report, layout)
        yield from _cost(report, layout)
        yield from _numbers(report, layout)
    else:
        yield _text(layout.left, layout.plot_top + 40, "The model has not been called yet.", "faint")
    yield "</g>"


def _subtitle(report: Report) -> str:
    totals = report.totals
    return (
        f"{totals.calls:,} calls, context in tokens; peak {totals.peak_tokens:,} at call {totals.peak_call:,}; "
        f"{markup.share(totals.cached_tokens, totals.input_tokens)} of the input from the cache"
    )


def _plot(report: Report, layout: Layout, top: float) -> Iterator[str]:
    """Draw the areas, their scale on the left and their names on the right."""
    for value in _ticks(top, layout.ticks // 2):
        y = layout.plot_top + layout.plot * (1 - value / top)
        yield _line(layout.left, y, layout.left + layout.width, y, "grid")
        yield _text(layout.left - 6, y + layout.font * 0.35, markup.tokens(value), "faint end")
    yield _use("areas", layout, len(report.calls), layout.plot_top, layout.plot)
    if len(report.calls) <= GAPS_MAX:
        across = layout.width / len(report.calls)
        xs = (layout.left + across * index for index in range(1, len(report.calls)))
        path = "".join(f"M{_n(x)} {_n(layout.plot_top)}v{_n(layout.plot)}" for x in xs)
        yield f'<path class="gaps" d="{path}"/>'
    yield _line(layout.left, layout.plot_top + layout.plot, layout.left + layout.width, layout.plot_top + layout.plot)
    least = 0.01 * top if layout is NARROW else 0  # what is hardly seen there is not named
    seen = {share.kind for call in report.calls for share in call.shares if share.tokens > least}
    latest = {share.kind: share.tokens for share in report.calls[-1].shares}
    names: list[tuple[float, str, str, str]] = []
    below = 0
    for kind in KINDS:
        size = latest.get(kind, 0)
        if kind in seen:
            y = layout.plot_top + layout.plot * (1 - (below + size / 2) / top)
            names.append((y, f"wh-{kind}", kind, markup.tokens(size)))
        below += size
    yield from _names(layout, names, layout.plot_top, layout.plot_top + layout.plot)


def _thresholds(report: Report, layout: Layout, top: float) -> Iterator[str]:
    window = report.window
    named: dict[int, list[str]] = {}
    for name, tokens in (("trigger", window.trigger), ("pre-rot", window.pre_rot), ("window", window.hard)):
        named.setdefault(tokens, []).append(name)
    far: list[str] = []
    x = layout.left + 6
    for tokens, names in sorted(named.items(), reverse=True):
        label = f"{' and '.join(names)} {markup.tokens(tokens)}"
        if tokens > top:
            far.append(label)
            continue
        y = layout.plot_top + layout.plot * (1 - tokens / top)
        yield _line(layout.left, y, layout.left + layout.width, y, f"limit {names[0]}")
        yield _text(x, y - layout.font * 0.35, label, "halo limit-name")
        x += layout.font * 8 if layout is NARROW else 0  # side by side, where lines may be close
    if far and (layout is WIDE or len(far) == len(named)):
        said = f"{', '.join(far)}: far above" if layout is WIDE else f"{far[-1]}: far above"
        yield _text(layout.left + layout.width - 6, layout.plot_top + layout.font, said, "halo faint end")


def _flagged(report: Report, layout: Layout, flags: list[Flag]) -> Iterator[str]:
    """Draw a line for whatever cut the prompt or the cache, and name as many as there is room for."""
    rows: list[list[tuple[float, float]]] = [[] for _ in range(layout.flags)]
    lines, names = [], []
    for flag in flags:
        x = layout.left + layout.width * (flag.call - 1) / len(report.calls)
        bold = 1.25 if flag.tone in ("break", "summary") else 1.0
        length = layout.font * CHAR_WIDTH * bold * len(flag.label) + 8
        start = min(x + 3, layout.left + layout.width + layout.right - length)
        row = _free_row(rows, start, start + length)
        upper = layout.plot_top - (layout.row * row + layout.font if row is not None else 0)
        lower = _flag_end(layout, flag, named=row is not None)
        if layout is NARROW and row is None and flag.tone in ("cut", "cold"):
            continue
        said = f"<title>{markup.text(flag.said)}</title>"
        lines.append(f'<g class="flag {flag.tone}">{said}{_line(x, upper, x, lower)}</g>')
        if row is not None:
            rows[row].append((start, start + length))
            label = _text(start, upper + layout.font * 0.85, flag.label, "halo")
            names.append(f'<g class="flag {flag.tone}">{label}</g>')
    yield from lines
    yield from names  # above all lines
    if len(names) < len(lines) and layout is WIDE:
        said = f"{len(lines) - len(names)} more not named"
        yield _text(WIDTH - 4, layout.title + 2, said, "faint end")


def _free_row(rows: list[list[tuple[float, float]]], start: float, end: float) -> int | None:
    """Give the lowest row in which a label has room."""
    return next(
        (index for index, row in enumerate(rows) if all(end < left or start > right for left, right in row)), None
    )


def _flag_end(layout: Layout, flag: Flag, *, named: bool) -> float:
    """Say how far down a line goes: a break through everything, what is not named only a little."""
    if flag.tone == "break":
        return layout.cost_top + layout.cost
    return layout.plot_top + (layout.plot if named or flag.tone == "summary" else layout.font * 0.6)


def _lanes(report: Report, layout: Layout) -> Iterator[str]:
    """Mark the calls that read something again, and those that failed."""
    mended = [failure.call for failure in report.failures if failure.steps is not None]
    lost = [failure.call for failure in report.failures if failure.steps is None]
    lanes = (
        (markup.counted(len(report.rereads), "re-read"), (("reread", [reread.call for reread in report.rereads]),)),
        (markup.counted(len(report.failures), "failure"), (("mended", mended), ("lost", lost))),
    )
    for index, (label, marks) in enumerate(lanes):
        y = layout.lanes_top + layout.lane * (index + 0.5)
        yield _line(layout.left, y, layout.left + layout.width, y, "grid")
        yield _text(layout.left + layout.width + 14, y + layout.font * 0.35, label, "")
        for name, numbers in marks:
            width = max(1.6, min(layout.lane * 0.6, layout.width / len(report.calls) * 0.8))
            across = layout.width / len(report.calls)
            path = "".join(
                f"M{_n(layout.left + across * (number - 0.5) - width / 2)} {_n(y - layout.lane * 0.32)}"
                f"h{_n(width)}v{_n(layout.lane * 0.64)}h{_n(-width)}z"
                for number in dict.fromkeys(numbers)
            )
            yield f'<path class="mark {name}" d="{path}"/>' if path else ""


def _band(report: Report, layout: Layout) -> Iterator[str]:
    totals = report.totals
    new = totals.input_tokens - totals.cached_tokens - totals.written_tokens
    yield _use("served", layout, len(report.calls), layout.band_top, layout.band)
    yield _text(layout.left, layout.band_top - 4, "input of each call, as billed", "caption")
    yield _text(layout.left - 6, layout.band_top + layout.font * 0.8, "100 %", "faint end")
    yield _text(layout.left - 6, layout.band_top + layout.band, "0", "faint end")
    sums = (("new", new), ("written", totals.written_tokens), ("cached", totals.cached_tokens))
    names = [
        (layout.band_top + layout.band * (0.15 + 0.35 * index), f"wh-{name}", name, markup.tokens(count))
        for index, (name, count) in enumerate(sums)
    ]
    yield from _names(layout, names, layout.band_top, layout.band_top + layout.band)


def _cost(report: Report, layout: Layout) -> Iterator[str]:
    """Draw what the session had cost after each call, against the same without reductions."""
    own, instead = areas.running_costs(report)
    top = max(own[-1], instead[-1]) or 1
    bottom = layout.cost_top + layout.cost
    yield _use("costs", layout, len(report.calls), layout.cost_top, layout.cost)
    yield _line(layout.left, bottom, layout.left + layout.width, bottom)
    yield _text(layout.left - 6, layout.cost_top + layout.font * 0.8, markup.tokens(top), "faint end")
    yield _text(layout.left - 6, bottom, "0", "faint end")
    caption = "cost so far, in tokens of uncached input" if layout is WIDE else "cost so far"
    yield _text(layout.left, layout.cost_top - 4, caption, "caption")
    optimum = report.totals.optimum_cost
    costs = [
        (
            "own",
            "this session" if layout is WIDE else "session",
            own[-1],
            f", {round(100 * own[-1] / (instead[-1] or 1))} %",
        ),
        ("instead", "append-only", instead[-1], ""),
    ]
    if optimum is not None:
        costs.append(("optimum", "hindsight", optimum, ""))
        y = bottom - layout.cost * min(1.0, optimum / top)
        yield _line(layout.left + layout.width - 30, y, layout.left + layout.width, y, "optimum")
    names = [
        (
            bottom - layout.cost * min(1.0, cost / top),
            f"wh-{name}",
            label,
            ("≈ " if name != "own" else "") + markup.tokens(cost) + more,
        )
        for name, label, cost, more in costs
    ]
    yield from _names(layout, names, layout.cost_top, bottom)


def _numbers(report: Report, layout: Layout) -> Iterator[str]:
    """Number the calls at the foot."""
    count = len(report.calls)
    y = layout.cost_top + layout.cost + layout.font * 1.4
    across = layout.width / count
    for value in dict.fromkeys((1, *(round(tick) for tick in _ticks(count + 0.5, layout.ticks)))):
        if value >= 1:
            yield _text(layout.left + across * (value - 0.5), y, f"{value:,}", "faint middle")
    yield _text(layout.left - 6, y, "call", "faint end")


def _names(layout: Layout, names: list[tuple[float, str, str, str]], top: float, bottom: float) -> Iterator[str]:
    """Name layers on the right, beside their ends, as far apart as letters need."""
    listed = sorted(names)
    spacing = layout.font * 1.3
    ys: list[float] = []
    for y, *_ in listed:
        ys.append(max(y, ys[-1] + spacing) if ys else max(y, top))
    for index in range(len(ys) - 1, -1, -1):
        lowest = bottom - spacing * (len(ys) - 1 - index)
        ys[index] = min(ys[index], lowest)
    x = layout.left + layout.width
    for (target, colour, name, size), y in zip(listed, ys, strict=True):
        tone = f"{colour} none" if size == "0" else colour
        yield f'<path class="lead" d="M{_n(x + 1)} {_n(target)}L{_n(x + 10)} {_n(y)}"/>'
        yield (
            f'<rect class="{tone}" x="{_n(x + 11)}" y="{_n(y - layout.font * 0.4)}" '
            f'width="{_n(layout.font * 0.8)}" height="{_n(layout.font * 0.8)}"/>'
        )
        kind = "faint" if size == "0" else ""
        yield _text(x + 14 + layout.font, y + layout.font * 0.38, f"{name} {size}", kind)


# -- marks -----------------------------------------------------------------------------------------------------------


def _flags(report: Report) -> Iterator[Flag]:
    for broken in report.breaks:
        said = f"Unplanned break before call {broken.call:,}, piece {broken.piece}, byte {broken.byte}: {broken.reason}"
        yield Flag(broken.call, "break", "UNPLANNED BREAK", said, 3e9)
    for each in report.reductions:
        size = markup.tokens(each.removed_tokens)
        reason = f" {each.why}" if each.why else ""
        said = (
            f"{each.what.capitalize()} before call {each.call:,} ({each.reason}): removed about "
            f"{each.removed_tokens:,} tokens; {each.rewritten_tokens:,} had to be sent anew"
        )
        if each.what == "summary":
            yield Flag(each.call, "summary", f"summary {MINUS}{size}{reason}", said, 2e9)
        else:
            yield Flag(each.call, "cut", f"{MINUS}{size}{reason}", said, 1e9 + each.removed_tokens)
    for call in report.calls:
        if call.gap_s > report.prices.lifetime_s and call.reason:
            gap = markup.pause(call.gap_s)
            yield Flag(call.number, "cold", f"pause {gap}", f"A pause of {gap} before call {call.number:,}", call.gap_s)


def _ticks(top: float, count: int) -> list[float]:
    """Give round values up to ``top``, about ``count`` of them."""
    step = next(
        step * 10.0**power for power in range(12) for step in (1, 2, 5) if top <= step * 10.0**power * max(1, count)
    )
    return [step * index for index in range(int(top / step) + 1)]


def _use(name: str, layout: Layout, calls: int, top: float, height: float) -> str:
    """Show areas that were drawn once, in this layout's place and size."""
    across, down = layout.width / (areas.UNIT * calls), height / areas.FULL
    place = f"translate({_n(layout.left)} {_n(top)}) scale({across:.6g} {down:.6g})"
    return f'<use href="#wh-{name}" transform="{place}"/>'


def _text(x: float, y: float, said: str, kind: str) -> str:
    of = f' class="{kind}"' if kind else ""
    return f'<text x="{_n(x)}" y="{_n(y)}"{of}>{markup.text(said, 160)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str = "axis") -> str:
    return f'<line class="{kind}" x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"/>'


def _n(value: float) -> str:
    """Write a coordinate, to a tenth."""
    return f"{value:.1f}".removesuffix(".0")
