"""Three plots that a report needs, as files: a sweep, policies side by side, and the context of one session.

Every line and bar is named where it stands, so no legend has to be decoded; the
colours stay apart for the colour-blind and in grey.  The command that made the
figures stands at the foot, so a plot on its own still says how to repeat it.  The
same figures give the same bytes: an SVG has no date and its ids come from a fixed
salt.  Nothing needs a screen.
"""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workhand.errors import ConfigError
from workhand.lab.intervals import Interval

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#B07D00", "#56B4E9", "#555555")  # after Okabe and Ito
LINES_MAX = len(COLOURS)
BARS_MAX = 60
SAVES, COSTS = "#7DB7DD", "#EBA06F"  # light enough for a dark line across them
INK, FAINT, GRID = "#222222", "#6B6B6B", "#E3E3E3"
WIDTH_IN, MARGIN_IN, GAP_IN = 7.2, 0.3, 0.09
DPI = 200
FOOT_CHARACTERS = 118
STYLE = {
    "font.family": "DejaVu Sans",  # it comes with matplotlib, so letters are the same everywhere
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "svg.hashsalt": "workhand",
}


@dataclass(frozen=True, slots=True)
class Curve:
    """One price list over a sweep: where it was measured, and what was found there."""

    label: str
    points: tuple[tuple[float, Interval], ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One policy and its cost relative to the baseline."""

    label: str
    ratio: Interval


@dataclass(frozen=True, slots=True)
class Track:
    """One policy over a session: tokens in context at each call of the model."""

    label: str
    tokens: tuple[int, ...]


def curves(
    path: Path,
    listed: Sequence[Curve],
    *,
    title: str,
    x: str,
    command: str,
    y: str = "Cost relative to append-only",
    log_x: bool = False,
) -> None:
    """Draw a sweep over one parameter: a line and the band of its interval for each price list."""
    _check(path, [len(curve.points) for curve in listed], LINES_MAX, "curves with points")
    with _Sheet(path, title, f"{y}; bands are 95 % intervals", x, command, height_in=4.3) as sheet:
        axes = sheet.axes
        axes.set_xscale("log" if log_x else "linear")
        ends = []
        for curve, colour in zip(listed, COLOURS, strict=False):
            places = [place for place, _ in curve.points]
            found = [interval for _, interval in curve.points]
            low, high = [each.low for each in found], [each.high for each in found]
            axes.fill_between(places, low, high, color=colour, alpha=0.16, linewidth=0)
            axes.plot(places, [each.value for each in found], color=colour, linewidth=1.8, marker="o", markersize=3.5)
            ends.append((places[-1], found[-1].value, curve.label, colour))
        places = sorted({place for curve in listed for place, _ in curve.points})
        sheet.ticks(places if len(places) <= 10 else None)
        sheet.baseline()
        sheet.name_ends(ends)


def bars(
    path: Path,
    listed: Sequence[Bar],
    *,
    title: str,
    command: str,
    x: str = "Cost relative to append-only",
) -> None:
    """Draw each policy's cost as a bar from the baseline, to the left where it saves, with its interval."""
    _check(path, [1 for _ in listed], BARS_MAX, "bars")
    with _Sheet(
        path,
        title,
        "Bars to the left of 1 save; lines are 95 % intervals",
        x,
        command,
        height_in=1.65 + 0.26 * len(listed),
    ) as sheet:
        axes = sheet.axes
        sheet.margins(left=[bar.label for bar in listed], right=["0.00  0.00-0.00"])
        for row, bar in enumerate(listed):
            colour = SAVES if bar.ratio.value <= 1 else COSTS
            axes.barh(row, bar.ratio.value - 1, left=1, height=0.62, color=colour, linewidth=0)
            axes.plot([bar.ratio.low, bar.ratio.high], [row, row], color=INK, linewidth=1.1, solid_capstyle="butt")
            sheet.beside(row, bar.label, bar.ratio)
        axes.set_ylim(len(listed) - 0.4, -0.6)
        axes.set_yticks([])
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="x", color=GRID, linewidth=0.7)
        axes.axvline(1, color=INK, linewidth=1)


def timeline(
    path: Path,
    listed: Sequence[Track],
    *,
    limit_tokens: int,
    title: str,
    command: str,
) -> None:
    """Draw the tokens in context over the calls of one session, a line for each policy, and the limit."""
    _check(path, [len(track.tokens) for track in listed], LINES_MAX, "tracks with calls")
    with _Sheet(path, title, "Tokens in context", "Call of the model", command, height_in=4.3) as sheet:
        axes = sheet.axes
        for track, colour in zip(listed, COLOURS, strict=False):
            axes.plot(range(1, len(track.tokens) + 1), track.tokens, color=colour, linewidth=1.4)
        top = max(limit_tokens, *(max(track.tokens) for track in listed))
        axes.set_ylim(0, 1.06 * top)
        axes.set_xlim(1, max(2, *(len(track.tokens) for track in listed)))
        axes.axhline(limit_tokens, color=INK, linewidth=1, dashes=(4, 3))
        axes.annotate(
            f"limit {_short(limit_tokens)}",
            (0, limit_tokens),
            xycoords=axes.get_yaxis_transform(),
            xytext=(3, 3),
            textcoords="offset points",
            fontsize=8,
        )
        axes.yaxis.set_major_formatter(lambda value, _: _short(value))
        sheet.name_ends(
            [
                (len(track.tokens), track.tokens[-1], track.label, colour)
                for track, colour in zip(listed, COLOURS, strict=False)
            ]
        )


class _Sheet:
    """A page with title, what is shown, one pair of axes and the command; written when it is left without an error."""

    def __init__(self, path: Path, title: str, shown: str, x: str, command: str, *, height_in: float) -> None:
        self._path = path
        foot = "\n".join(textwrap.wrap(command, FOOT_CHARACTERS, subsequent_indent="    "))
        self._top_in, self._bottom_in = 0.85, 0.72 + 0.1 * foot.count("\n")
        self._height_in = height_in + 0.1 * foot.count("\n")
        self._style = _matplotlib("matplotlib").rc_context(STYLE)
        self._words = (title, shown, x, foot)

    def __enter__(self) -> _Sheet:
        self._style.__enter__()
        self._figure = _matplotlib("matplotlib.figure").Figure(figsize=(WIDTH_IN, self._height_in), dpi=DPI)
        canvas = _matplotlib("matplotlib.backends.backend_agg").FigureCanvasAgg(self._figure)
        self._renderer = canvas.get_renderer()
        self.axes: Any = self._figure.add_axes((0, 0, 1, 1))
        for side in ("left", "right", "top"):
            self.axes.spines[side].set_visible(False)
        self.axes.spines["bottom"].set_color(FAINT)
        self.axes.grid(visible=True, axis="y", color=GRID, linewidth=0.7)
        self.axes.set_axisbelow(True)
        self.axes.tick_params(length=0, labelsize=8)
        self.margins(left=["0000k"], right=[])
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                self._write()
        finally:
            self._style.__exit__(None, None, None)

    def margins(self, *, left: Sequence[str], right: Sequence[str]) -> None:
        """Leave room for texts on both sides of the axes."""
        before = MARGIN_IN + max(map(self._width_in, left), default=0) + GAP_IN
        after = MARGIN_IN + max(map(self._width_in, right), default=0) + 2 * GAP_IN
        bottom, top = self._bottom_in / self._height_in, 1 - self._top_in / self._height_in
        self.axes.set_position((before / WIDTH_IN, bottom, 1 - (before + after) / WIDTH_IN, top - bottom))

    def ticks(self, places: Sequence[float] | None) -> None:
        """Mark exactly these places, or what suits."""
        if places is None:
            return
        self.axes.set_xticks(list(places), [_short(place) for place in places])
        self.axes.set_xticks([], minor=True)

    def baseline(self) -> None:
        """Mark 1, if it is in sight."""
        low, high = self.axes.get_ylim()
        if low <= 1 <= high:
            self.axes.axhline(1, color=INK, linewidth=1)

    def name_ends(self, ends: Sequence[tuple[float, float, str, str]]) -> None:
        """Write each line's name behind its end, apart from each other, in its colour."""
        self.margins(left=["0000k"], right=["m" + label for _, _, label, _ in ends])
        low, high = self.axes.get_ylim()
        ordered = sorted(ends, key=lambda end: end[1])
        line = 0.17 / (self._height_in - self._top_in - self._bottom_in)
        wanted = [(value - low) / (high - low) for _, value, _, _ in ordered]
        behind = 1 + 3 * GAP_IN / self._axes_in()
        for (place, value, label, colour), at in zip(ordered, apart(wanted, line), strict=True):
            self.axes.annotate(
                label,
                (place, value),
                xytext=(behind, at),
                textcoords="axes fraction",
                color=colour,
                va="center",
                annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 4},
            )

    def beside(self, row: int, label: str, ratio: Interval) -> None:
        """Write a bar's name to the left of the axes and its figures to the right."""
        place = self.axes.get_yaxis_transform()
        gap = GAP_IN / self._axes_in()
        self.axes.text(-gap, row, label, transform=place, ha="right", va="center")
        self.axes.text(1 + gap, row, f"{ratio.value:.2f}", transform=place, va="center", weight="bold")
        spread = f"{ratio.low:.2f}\N{EN DASH}{ratio.high:.2f}"
        self.axes.text(1 + gap + 0.38 / self._axes_in(), row, spread, transform=place, va="center", color=FAINT)

    def _axes_in(self) -> float:
        return float(self.axes.get_position().width) * WIDTH_IN

    def _width_in(self, text: str) -> float:
        drawn = self._figure.text(0, 0, text)
        width = drawn.get_window_extent(self._renderer).width / DPI
        drawn.remove()
        return float(width)

    def _write(self) -> None:
        title, shown, x, foot = self._words
        left = MARGIN_IN / WIDTH_IN
        self._figure.text(left, 1 - 0.32 / self._height_in, title, fontsize=12, weight="bold", va="center")
        self._figure.text(left, 1 - 0.57 / self._height_in, shown, fontsize=9, color=FAINT, va="center")
        self._figure.text(left, 0.1 / self._height_in, foot, fontsize=5.5, family="monospace", color=FAINT)
        self.axes.set_xlabel(x, labelpad=5)
        kind = self._path.suffix.lower().removeprefix(".")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._figure.savefig(self._path, format=kind, metadata=METADATA[kind], dpi=DPI)


METADATA: dict[str, dict[str, str | None]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}


def apart(wanted: Sequence[float], gap: float) -> list[float]:
    """Move ordered places between 0 and 1 as little as possible, in squares, so that neighbours are a gap apart."""
    blocks: list[list[float]] = []
    for index, place in enumerate(wanted):
        blocks.append([place - index * gap])
        while len(blocks) > 1 and _middle(blocks[-2]) >= _middle(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    highest = 1 - gap * (len(wanted) - 1)
    flat = [min(max(_middle(block), 0.0), highest) for block in blocks for _ in block]
    return [place + index * gap for index, place in enumerate(flat)]


def _middle(block: Sequence[float]) -> float:
    return sum(block) / len(block)


def _short(value: float) -> str:
    """Write a number as briefly as a tick wants it."""
    if abs(value) >= 1_000:
        return f"{value / 1_000:g}k"
    return f"{value:g}"


def _check(path: Path, sizes: Sequence[int], lines_max: int, what: str) -> None:
    if path.suffix.lower().removeprefix(".") not in METADATA:
        raise ConfigError(f"A plot cannot be written as {path.name!r}: end the name with .png or .svg.")
    if not sizes or len(sizes) > lines_max or min(sizes) < 1:
        raise ConfigError(f"A plot shows 1 to {lines_max} {what}, none of them empty; it was given {list(sizes)!r}.")


def _matplotlib(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError("Plots need matplotlib: pip install 'workhand[lab]'") from error
