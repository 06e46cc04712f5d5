"""What the documents promise: their examples run, their links lead somewhere, they stay short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINES_MAX = {"ARCHITECTURE.md": 200, "AGENTS.md": 120}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_example_runs(page: Path) -> None:
    for example in re.findall(r"```python\n(.*?)```", page.read_text(), re.S):
        exec(compile(example, page.name, "exec"), {})  # noqa: S102 - our own documents


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)  # transcripts show links of others
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", prose)
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("name", LINES_MAX)
def test_the_pages_that_everybody_reads_stay_short(name: str) -> None:
    assert len((ROOT / name).read_text().splitlines()) <= LINES_MAX[name]
