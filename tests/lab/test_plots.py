"""Plots as files: made without a screen, equal bytes for equal figures, and clear about what is missing."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from workhand.errors import ConfigError
from workhand.lab.intervals import Interval
from workhand.lab.plots import Bar, Curve, Track, apart, bars, curves, timeline

Draw: TypeAlias = Callable[[Path], None]

drawing = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed: pip install 'workhand[lab]'"
)


def draw_curves(path: Path) -> None:
    points = tuple((place, Interval(value, value - 0.02, value + 0.02)) for place, value in SWEEP)
    listed = (Curve("read 0.05", points), Curve("read 0.10", points[:-1]))
    curves(path, listed, title="A sweep", x="Cap (tokens)", command="workhand lab sweep --seed 1", log_x=True)


def draw_bars(path: Path) -> None:
    listed = (Bar("rent or buy", Interval(0.7, 0.65, 0.76)), Bar("moving mask", Interval(1.1, 1.02, 1.2)))
    bars(path, listed, title="Policies", command="workhand lab compare --seed 1")


def draw_timeline(path: Path) -> None:
    listed = (Track("append-only", (10, 5_000, 90_000)), Track("summary", (10, 5_000, 2_000)))
    timeline(path, listed, limit_tokens=64_000, title="One session", command="workhand lab timeline --seed 1")


SWEEP = ((500.0, 0.9), (1_000.0, 0.85), (2_000.0, 0.86))
PLOTS: tuple[tuple[Draw, tuple[str, ...]], ...] = (
    (draw_curves, ("read 0.05", "read 0.10", "Cap (tokens)", "1k", "workhand lab sweep --seed 1")),
    (draw_bars, ("rent or buy", "moving mask", "1.10", "Cost relative to append-only")),
    (draw_timeline, ("append-only", "summary", "limit 64k", "Tokens in context", "Call of the model")),
)


@drawing
@pytest.mark.parametrize(("draw", "words"), PLOTS)
def test_a_plot_names_its_lines_its_units_and_its_command(draw: Draw, words: tuple[str, ...], tmp_path: Path) -> None:
    draw(tmp_path / "plot.svg")
    text = (tmp_path / "plot.svg").read_text("utf-8")
    comments = text.replace("- -", "--")  # a comment in XML holds no two hyphens, so matplotlib parts them
    assert [word for word in words if f"<!-- {word} -->" not in comments] == []


@drawing
@pytest.mark.parametrize("name", ["plot.png", "plot.svg", "PLOT.SVG"])
@pytest.mark.parametrize("draw", [draw for draw, _ in PLOTS])
def test_the_same_figures_give_the_same_bytes(draw: Draw, name: str, tmp_path: Path) -> None:
    draw(tmp_path / "a" / name)
    draw(tmp_path / "b" / name)
    made = (tmp_path / "a" / name).read_bytes()
    assert made == (tmp_path / "b" / name).read_bytes()
    assert made.startswith(b"\x89PNG" if name.endswith("png") else b"<?xml") and b"dc:date" not in made


@pytest.mark.parametrize("draw", [draw for draw, _ in PLOTS])
def test_another_suffix_is_refused_with_those_that_can_be_written(draw: Draw, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'plot.pdf': end the name with .png or .svg"):
        draw(tmp_path / "plot.pdf")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "tracks", [(), (Track("nothing", ()),), tuple(Track(f"policy {number}", (1, 2)) for number in range(8))]
)
def test_a_plot_of_nothing_or_of_too_much_is_refused(tracks: tuple[Track, ...], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="A plot shows 1 to 7 tracks with calls, none of them empty"):
        timeline(tmp_path / "plot.svg", tracks, limit_tokens=1_000, title="", command="")


def test_without_matplotlib_the_remedy_is_said(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from pathlib import Path; from tests.lab.test_plots import draw_bars\n"
        "draw_bars(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "plot.svg")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stderr.splitlines()[-1].endswith("Plots need matplotlib: pip install 'workhand[lab]'")


def test_importing_the_plots_does_not_import_matplotlib() -> None:
    code = "import sys, workhand.lab.plots; print('matplotlib' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


@pytest.mark.parametrize(
    ("wanted", "placed"),
    [
        ([0.1, 0.5, 0.9], [0.1, 0.5, 0.9]),
        ([0.5, 0.5], [0.45, 0.55]),
        ([0.0, 0.0, 0.9], [0.0, 0.1, 0.9]),
        ([0.2, 1.0, 1.0], [0.2, 0.9, 1.0]),
    ],
)
def test_names_move_apart_no_further_than_they_must(wanted: list[float], placed: list[float]) -> None:
    assert apart(wanted, 0.1) == pytest.approx(placed)
