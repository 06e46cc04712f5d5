"""Choosing the sample and running a driver against a server of its own."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

from bench.peers.run import Run, perform, sample
from bench.peers.session import Session, Step, Turn, read, write

DRIVER = """
import json, sys, urllib.request
url, session, *limit = sys.argv[1:]
body = json.dumps({"model": "m", "messages": [{"role": "user", "content": str(limit)}]}).encode()
urllib.request.urlopen(urllib.request.Request(url + "/chat/completions", body)).read()
print(json.dumps({"cpu_s": 0.25}))
"""


def trace(folder: Path, source: str, id: str, answers: int) -> None:
    """Write a trace of one model, whose every answer but the last makes one call."""
    lines: list[dict[str, object]] = [
        {"type": "header", "id": id, "source": source, "model": "m"},
        {"type": "user", "text": f"Do {id}."},
    ]
    for number in range(1, answers):
        call = {"call_id": str(number), "name": "look", "step": number}
        lines.append({"type": "assistant", "text": "", "step": number})
        lines.append({"type": "tool_call", "arguments": {}, **call})
        lines.append({"type": "tool_result", "text": "seen", **call})
    lines.append({"type": "assistant", "text": "done", "step": answers})
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.open(folder / f"{id}.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def test_the_sample_takes_the_first_of_each_source_and_joins_the_long_ones(tmp_path: Path) -> None:
    for source, answers in (
        ("toolathlon", (10, 60, 90)),
        ("liveswe", (3,)),
        ("magentic-gaia", (3,)),
        ("multiswe-java", (3,)),
    ):
        for number, count in enumerate(answers):
            trace(tmp_path / "traces", source, f"{source}-{number}", count)

    files = sample(tmp_path / "traces", 20, 2, tmp_path / "out")

    chosen = {kind: [(file.stem, len(read(file).turns)) for file in found] for kind, found in files.items()}
    assert chosen == {
        "single": [
            ("toolathlon-1", 1),
            ("toolathlon-2", 1),
            ("liveswe-0", 1),
            ("magentic-gaia-0", 1),
            ("multiswe-java-0", 1),
        ],
        "long": [("toolathlon-0+2", 3)],
    }


def test_another_folder_gives_its_first_files(tmp_path: Path) -> None:
    for number in range(3):
        trace(tmp_path / "traces", "elsewhere", f"t{number}", 2)
    files = sample(tmp_path / "traces", 2, 2, tmp_path / "out")
    assert {kind: [file.stem for file in found] for kind, found in files.items()} == {
        "single": ["t0", "t1"],
        "long": [],
    }


def test_a_run_keeps_its_report_and_its_recording_only_if_the_driver_ends_well(tmp_path: Path) -> None:
    session = tmp_path / "sessions" / "tiny.json"
    write(Session("tiny", "", (Turn("Look.", (Step("done", ()),)),)), session)
    (tmp_path / "good.py").write_text(DRIVER)
    (tmp_path / "bad.py").write_text("raise SystemExit(3)")

    good = Run("good", (sys.executable, str(tmp_path / "good.py")), session, 64_000, tmp_path / "good")
    bad = Run("bad", (sys.executable, str(tmp_path / "bad.py")), session, None, tmp_path / "bad")

    assert (perform(good), perform(bad)) == ("done", "failed with 3: ?")
    assert json.loads(good.report.read_text()) == {"cpu_s": 0.25}
    with gzip.open(good.recording, "rt", encoding="utf-8") as lines:
        assert [json.loads(line)["body"]["messages"][0]["content"] for line in lines] == ["['64000']"]
    assert not bad.report.exists() and not bad.recording.exists()
