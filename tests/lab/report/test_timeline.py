"""The timeline of a session is a picture that stands alone: well-formed, named in words, the same for the same log."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tests.lab.report.session import session
from workhand.core.events import ModelAnswered, PrefixBroken, SessionStarted, UserSaid
from workhand.core.log import Log
from workhand.lab.report import areas
from workhand.lab.report.account import Report, report
from workhand.lab.report.timeline import svg

NAMESPACE = "{http://www.w3.org/2000/svg}"
REPORTS = {calls: report(session(calls, broken_at=40)) for calls in (1, 2, 10, 60, 300, 1_000)}


@pytest.fixture(scope="module")
def long() -> Report:
    return REPORTS[300]


def parsed(drawn: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawn)  # noqa: S314 - it is our own


def texts(drawn: str, layout: str = "wide") -> list[str]:
    root = parsed(drawn)
    group = next(each for each in root.iter(f"{NAMESPACE}g") if each.get("class") == layout)
    return [each.text or "" for each in group.iter(f"{NAMESPACE}text")]


@pytest.mark.parametrize("calls", REPORTS)
def test_a_timeline_is_well_formed_at_any_length(calls: int) -> None:
    root = parsed(svg(REPORTS[calls], "A title"))
    assert (root.tag, root.get("viewBox"), root.get("role")) == (f"{NAMESPACE}svg", "0 0 1200 780", "img")
    ids = [each.attrib["id"] for each in root.iter() if "id" in each.attrib]
    assert root.get("aria-labelledby") == "wh-title wh-desc"
    assert sorted(ids) == ["wh-areas", "wh-costs", "wh-desc", "wh-served", "wh-title"]


@pytest.mark.parametrize(("calls", "bytes_max"), [(10, 16_000), (60, 26_000), (300, 45_000), (1_000, 100_000)])
def test_a_timeline_stays_light(calls: int, bytes_max: int) -> None:
    assert len(svg(REPORTS[calls], "A title").encode()) < bytes_max


def test_equal_logs_give_equal_bytes(long: Report) -> None:
    assert svg(long) == svg(report(session(300, broken_at=40)))


def test_a_timeline_needs_nothing_from_elsewhere(long: Report) -> None:
    drawn = svg(long)
    root = parsed(drawn)
    assert {each.tag for each in root.iter()} == {
        NAMESPACE + name
        for name in ("svg", "title", "desc", "style", "rect", "defs", "g", "path", "use", "text", "line")
    }
    assert {each.get("href", "#")[0] for each in root.iter()} == {"#"}
    assert re.findall(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", drawn) == []


@pytest.mark.parametrize("layout", ["wide", "narrow"])
def test_what_is_seen_is_named_where_it_stands(long: Report, layout: str) -> None:
    named = " ".join(texts(svg(long), layout))
    for name in ("trigger 26k", "pre-rot 36k", "window 40k", "result ", "preview ", "compacted ", "assistant "):
        assert name in named
    for name in ("cached ", "written ", "new ", "append-only ≈ ", "27 re-reads", "21 failures", "UNPLANNED BREAK"):
        assert name in named


def test_a_cut_is_named_with_its_tokens_and_its_reason(long: Report) -> None:
    named = texts(svg(long))
    summaries = [each for each in long.reductions if each.what == "summary"]
    labels = [f"summary \N{MINUS SIGN}{each.removed_tokens / 1_000:.1f}k {each.why}" for each in summaries]
    assert labels and any(label in named for label in labels)
    assert any(each.endswith(" rent") for each in named)


def test_what_cannot_be_seen_is_said(long: Report) -> None:
    (said,) = [each.text or "" for each in parsed(svg(long)).iter(f"{NAMESPACE}desc")]
    assert said.startswith("300 calls of the model. The context peaked at ")
    assert "1 unplanned breaks" in said


def test_the_layers_of_a_stack_reach_as_high_as_the_context(long: Report) -> None:
    top = areas.scale(long)
    outermost = re.findall(r'd="(M[^"]+)"', areas.areas(long, top))[0]
    rises = [int(step) for step in re.findall(r"v(-?\d+)", outermost)]
    height = peak = 0
    for rise in rises:
        height -= rise
        peak = max(peak, height)
    assert peak == round(areas.FULL * long.totals.peak_tokens / top)


def test_each_call_is_as_wide_as_every_other(long: Report) -> None:
    for path in re.findall(r'd="(M0[^"]+)"', areas.areas(long, areas.scale(long)) + areas.served(long)):
        assert sum(int(run) for run in re.findall(r"h(\d+)", path)) == 300 * areas.UNIT


def test_running_costs_end_at_the_totals(long: Report) -> None:
    own, instead = areas.running_costs(long)
    assert (own[-1], instead[-1]) == pytest.approx((long.totals.cost, long.totals.append_only_cost))


def test_a_session_without_calls_says_so() -> None:
    drawn = svg(report(Log().then(SessionStarted(session(1).policy)).then(UserSaid("x"))))
    assert "The model has not been called yet." in texts(drawn)


def test_hostile_words_stay_words() -> None:
    hostile = '</title><script>alert(1)</script>"\u202e\x1b[31m\ufffe'
    log = session(5).then(PrefixBroken(1, 2, hostile), 2_000)
    answer = log.latest(ModelAnswered)
    assert answer is not None
    drawn = svg(report(log.then(answer, 2_001)), hostile)
    parsed(drawn)
    assert "<script" not in drawn
    assert re.findall("[\u202e\x1b\ufffe]", drawn) == []
