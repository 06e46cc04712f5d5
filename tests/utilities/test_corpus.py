"""Real documents, from released packages: what share of their words is read, by kind."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bench.reading import KINDS, measured, summary
from tests.programs import needs

CORPUS = Path(__file__).with_name("corpus.sh")
READ_MIN = 95.0  # in percent: what is missing is what differs in how words are told apart
FILES_OF_A_KIND = 8


@pytest.mark.machines
@needs("pdftotext", package="poppler-utils")
def test_what_real_documents_say_is_read(tmp_path: Path) -> None:
    folder = Path(os.environ.get("WORKHAND_CORPUS", tmp_path))
    subprocess.run([CORPUS, folder], check=True, timeout=500)
    rows = measured(folder, files_max=FILES_OF_A_KIND)
    figures = summary(rows)
    assert set(figures) == set(KINDS)
    assert len(rows) >= 40
    assert {kind: round(each["read"], 1) for kind, each in figures.items() if each["read"] < READ_MIN} == {}
