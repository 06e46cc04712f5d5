"""The context of a session, as a person and as a program have it from the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.command import Workhand


def test_the_terminal_draws_the_requests_and_says_what_they_cost(ended: Workhand) -> None:
    shown = ended("show", ended.session(), "--context")
    assert shown.code == 0, shown.err
    chart = [line for line in shown.out.splitlines() if "│" in line]
    assert len(chart) == 12
    assert "░" in chart[-1]
    for said in ("░ tools ", "▓ preview ", "of the cost of append-only", "0 unplanned breaks", "0 of 1 preview opened"):
        assert said in shown.out


@pytest.mark.parametrize("columns", [40, 80, 140])
def test_no_line_of_the_chart_is_wider_than_the_terminal(ended: Workhand, columns: int) -> None:
    shown = ended("show", ended.session(), "--context", COLUMNS=str(columns))
    _, *lines = shown.out.splitlines()[:-1]  # the meter and the command stand in one line each
    assert max(map(len, lines)) <= columns


def test_a_page_is_written_where_it_is_wanted(ended: Workhand) -> None:
    wrote = ended("show", ended.session(), "--context", "--html", "context.html")
    assert (wrote.code, wrote.out) == (0, ""), wrote.err
    assert re.fullmatch(r"context\.html: \d+ kB\n", wrote.err)
    assert (ended.directory / "context.html").read_text().startswith("<!DOCTYPE html>")


def test_a_page_and_a_picture_go_to_standard_output_if_told_so(ended: Workhand) -> None:
    session = ended.session()
    html, svg = ended("show", session, "--html", "-").out, ended("show", session, "--svg", "-").out
    assert f"workhand restore {session}" not in html  # it is put together where a block is chosen
    assert f'data-session="{session}"' in html
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - it is our own


@pytest.mark.parametrize("option", ["--html", "--svg"])
def test_a_path_that_cannot_be_written_is_said_in_a_sentence(ended: Workhand, option: str) -> None:
    wrote = ended("show", ended.session(), option, "no/such/folder/x")
    assert wrote.code == 3
    assert wrote.err == (
        "workhand: 'no/such/folder/x' cannot be written: No such file or directory; give another path.\n"
    )


def test_a_program_gets_the_whole_report(ended: Workhand, tmp_path: Path) -> None:
    wrote = ended("show", ended.session(), "--json", "--html", str(tmp_path / "x.html"), "--context")
    (side,) = wrote.lines
    calls = side["report"]["calls"]
    assert [call["position"] for call in calls] == [call["position"] for call in side["calls"]]
    assert side["report"]["totals"]["calls"] == len(calls) == side["spent"]["steps"]
    assert json.dumps(side, sort_keys=True, separators=(",", ":"), ensure_ascii=False) == wrote.out.strip()
    assert (tmp_path / "x.html").exists()
