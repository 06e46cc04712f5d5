"""The example of a whole piece of research, run as a person runs it: what is delivered, and what the model read."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from examples.research import steps
from tests.scenarios.auditing import faults, records_of, requests
from workhand.cli.session import wiring
from workhand.cli.settings import Settings
from workhand.core.body import HEADER_END
from workhand.core.events import HostContacted, ModelAnswered, ResultsCompacted, SessionEnded, ToolReturned
from workhand.core.log import Entry, Log

pytestmark = pytest.mark.usefixtures("require_bubblewrap", "require_browser")

ROOT = Path(__file__).parents[2]
MEASURED = ROOT / "examples" / "research" / "site" / "measurements.csv"
BAR = re.compile(r'data-plot="(\w+)" data-year="(\d+)" data-value="([\d.]+)"')
END_S = 300.0


@dataclass(frozen=True, slots=True)
class Researched:
    said: str
    home: Path
    record: tuple[Entry, ...]
    delivered: Path


@pytest.fixture(scope="module")
def researched(tmp_path_factory: pytest.TempPathFactory) -> Researched:
    """Run the example once, in a process of its own."""
    if shutil.which("pdftotext") is None and "CI" not in os.environ:
        pytest.skip("there is no poppler to read PDF documents with")
    out = tmp_path_factory.mktemp("research")
    argv = [sys.executable, "-m", "examples.research.session", "--out", str(out)]
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=END_S)  # noqa: PLW1510 - see below
    assert ran.returncode == 0, ran.stdout + ran.stderr
    ((session, record),) = anyio.run(records_of, out / "home").items()
    return Researched(ran.stdout, out / "home", record, out / "home" / "sessions" / session / "results")


def test_a_report_is_delivered_with_its_charts_its_data_and_its_sources(researched: Researched) -> None:
    assert sorted(path.name for path in researched.delivered.iterdir()) == sorted(steps.DELIVERED)
    report = researched.delivered / "report.pdf"
    assert "Pages:           2" in printed("pdfinfo", report)
    text = " ".join(words_of(report).split())
    site = r"http://host\.internal:\d+/"
    for source in (site, f"{site}monitoring", f"{site}news", f"{site}final-account.pdf", f"{site}measurements.csv"):
        assert re.search(rf"{source}(?= |$)", text), source
    assert "comparing-plots.md" in text and "cost-per-tonne.md" in text
    assert "about 23 euros" in text and "$" not in text


def test_the_charts_and_the_report_show_what_the_measurements_say(researched: Researched) -> None:
    tonnes: defaultdict[tuple[str, str], float] = defaultdict(float)
    for row in csv.DictReader(MEASURED.read_text().splitlines()):
        tonnes[row["plot"], row["month"][:4]] += int(row["co2_kg_per_ha"]) / 1000
    drawn = {
        (plot, year): value for plot, year, value in BAR.findall((researched.delivered / "carbon.svg").read_text())
    }
    assert drawn == {key: f"{value:.2f}" for key, value in tonnes.items()}
    points = re.findall(r"<circle ", (researched.delivered / "water.svg").read_text())
    assert len(points) == len(MEASURED.read_text().splitlines()) - 1

    fell = {plot: tonnes[plot, "2022"] - tonnes[plot, "2024"] for plot in ("control", "rewetted")}
    effect = fell["rewetted"] - fell["control"]
    euros = (486_300 + 30 * 9_400) / (effect * 96 * 30)
    lines = words_of(researched.delivered / "report.pdf").splitlines()
    (last,) = (line.split() for line in lines if "With upkeep of" in line)
    assert last[-3:] == ["768,300", f"{effect:.1f}", f"{euros:.1f}"]


def test_the_context_stays_below_its_trigger_and_what_left_it_can_be_had_back(researched: Researched) -> None:
    trigger = Log.of(researched.record).policy.window.trigger
    asked = [entry.event.usage.input_tokens for entry in researched.record if isinstance(entry.event, ModelAnswered)]
    assert max(asked) <= trigger
    compacted = [entry.event for entry in researched.record if isinstance(entry.event, ResultsCompacted)]
    assert compacted
    results = [entry.event for entry in researched.record if isinstance(entry.event, ToolReturned)]
    assert anyio.run(restored, researched.home, results) == [event.observation.blob for event in results]
    for call in (call for event in compacted for call in event.call_ids):
        assert re.search(rf"workhand restore \w+ {call}: [1-9]", researched.said)


def test_every_request_begins_as_the_one_before_with_the_same_list_of_functions(researched: Researched) -> None:
    assert list(faults(researched.record)) == []
    bodies = requests(researched.record)
    assert len(bodies) == len(list(steps.script("").splitlines()))
    assert len({body[: HEADER_END + 1] for body in bodies}) == 1
    assert bodies[0][0].startswith(b'{"tools":')


def test_nothing_but_the_site_of_the_example_is_asked_for(researched: Researched) -> None:
    events = [entry.event for entry in researched.record]
    assert {event.host for event in events if isinstance(event, HostContacted)} == {"host.internal"}
    assert isinstance(events[-1], SessionEnded) and events[-1].reason == "answered"


async def restored(home: Path, results: list[ToolReturned]) -> list[str | None]:
    """Give the digests of the originals that the store still has."""
    async with wiring.open_store(Settings(home=home)) as store:
        blobs = [event.observation.blob for event in results]
        return [blob and hashlib.sha256(await store.get(blob)).hexdigest() for blob in blobs]


def words_of(report: Path) -> str:
    return printed("pdftotext", "-layout", report, "-")


def printed(*argv: str | Path) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout
