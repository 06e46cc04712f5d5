"""Recorded sessions are imported: what was read is said, what was no good is listed, nothing is lost or overwritten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.command import DELIVER, PLAN, Workhand
from tests.cli.test_errors import complaint
from workhand.lab.formats.sources import read_file
from workhand.lab.trace import Answer, Call, Returned, Said, Trace

CONFIG = 3

CALLED = {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "ls", "arguments": "{}"}}]}
MESSAGES: list[Any] = [
    {"role": "user", "content": "Go."},
    CALLED,
    {"role": "tool", "tool_call_id": "a", "content": "x"},
]
TRACE = Trace("talk", "openai", (Said("user", "Go."), Answer("", (Call("a", "ls", "{}"),)), Returned("a", "x")))
KEPT = Path("openai") / "talk.jsonl.gz"


def write(file: Path, *messages: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(message) + "\n" for message in messages))
    return file


def test_a_file_is_told_in_one_line_and_kept_in_the_home(workhand: Workhand) -> None:
    write(workhand.directory / "talk.jsonl", *MESSAGES)
    ran = workhand("lab", "import", "talk.jsonl")
    traces = workhand.home / "traces"
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        "talk.jsonl: openai, 1 session, 1 call of the model, 1 tool call, 1 result, 0 bad lines\n"
        f"Sessions in {traces}: 1 written, 0 unchanged, 0 left as they were.\n"
    )
    assert read_file(traces / KEPT).traces == (TRACE,)


def test_bad_lines_are_listed_up_to_a_bound_and_the_good_ones_kept(workhand: Workhand) -> None:
    write(workhand.directory / "talk.jsonl", *MESSAGES, *([{"role": "\x1b[31m"}] * 12))
    ran = workhand("lab", "import", "talk.jsonl", "--to", "kept")
    lines = ran.out.splitlines()
    assert ran.code == 0
    assert lines[0].endswith("1 result, 12 bad lines")
    assert lines[1] == r"    line 4: there is no role '\x1b[31m'"
    assert lines[11] == "    ... and 2 more"
    assert read_file(workhand.directory / "kept" / KEPT).traces == (TRACE,)


def test_the_same_again_changes_nothing_and_other_content_is_not_overwritten_unasked(workhand: Workhand) -> None:
    write(workhand.directory / "talk.jsonl", *MESSAGES)
    kept = workhand.home / "traces" / KEPT
    workhand("lab", "import", "talk.jsonl")
    first = kept.read_bytes()
    assert "0 written, 1 unchanged" in workhand("lab", "import", "talk.jsonl").out
    write(workhand.directory / "talk.jsonl", *MESSAGES, {"role": "user", "content": "Go on."})
    ran = workhand("lab", "import", "talk.jsonl")
    assert (ran.code, kept.read_bytes()) == (0, first)
    assert f"    {kept} is there with other content and stays; --force replaces it\n" in ran.out
    assert "1 written" in workhand("lab", "import", "talk.jsonl", "--force").out
    assert len(read_file(kept).traces[0].parts) == 4


def test_sessions_of_one_name_are_kept_side_by_side(workhand: Workhand) -> None:
    write(workhand.directory / "one" / "talk.jsonl", *MESSAGES)
    write(workhand.directory / "two" / "talk.jsonl", *MESSAGES[:1])
    workhand("lab", "import", "one", "two", "--to", "kept")
    assert sorted(path.name for path in (workhand.directory / "kept" / "openai").iterdir()) == [
        *("talk-2.jsonl.gz", "talk.jsonl.gz")
    ]


def test_an_id_cannot_lead_out_of_the_folder(workhand: Workhand) -> None:
    write(workhand.directory / "talk.jsonl", {"id": "../../../up", "messages": MESSAGES})
    write(workhand.directory / "dots.jsonl", {"id": "..", "messages": MESSAGES})
    workhand("lab", "import", "talk.jsonl", "dots.jsonl", "--to", "kept")
    found = [str(path.relative_to(workhand.directory)) for path in workhand.directory.rglob("*.gz")]
    assert sorted(found) == ["kept/openai/session.jsonl.gz", "kept/openai/up.jsonl.gz"]


def test_programs_get_one_object_a_file(workhand: Workhand) -> None:
    write(workhand.directory / "in" / "talk.jsonl", *MESSAGES, 5)
    (workhand.directory / "in" / "other.json").write_text("{}")
    ran = workhand("lab", "import", "in", "--to", "kept", "--json")
    assert (ran.code, ran.err) == (0, "")
    other, talk = ran.lines
    assert other.pop("error").startswith("The file 'in/other.json' is in no format")
    assert other == {"path": "in/other.json", "format": "", "sessions": [], "bad_lines": 0, "faults": []}
    file = str(Path("kept") / KEPT)
    assert talk == {
        "path": "in/talk.jsonl",
        "format": "openai",
        "sessions": [{"id": "talk", "answers": 1, "calls": 1, "results": 1, "file": file, "state": "written"}],
        "bad_lines": 1,
        "faults": [{"line": 4, "why": "it is 5, not an object"}],
        "error": "",
    }


def test_nothing_that_could_be_read_is_three(workhand: Workhand) -> None:
    (workhand.directory / "other.json").write_text("{}")
    ran = workhand("lab", "import", "other.json")
    assert ran.code == CONFIG
    assert "other.json: not read: The file 'other.json' is in no format" in ran.out
    assert ran.err.startswith("workhand: No session could be read") and "Traceback" not in ran.err


def test_what_is_not_there_is_said_in_one_sentence(workhand: Workhand) -> None:
    ran = workhand("lab", "import", "nowhere")
    assert ran.code == CONFIG
    assert "nothing at 'nowhere'" in complaint(ran)


def test_a_folder_that_cannot_be_made_is_said_in_one_sentence(workhand: Workhand) -> None:
    write(workhand.directory / "talk.jsonl", *MESSAGES)
    ran = workhand("lab", "import", "talk.jsonl", "--to", "talk.jsonl")
    assert ran.code == CONFIG
    assert "cannot be written" in complaint(ran)


def test_our_own_exported_session_can_be_imported(workhand: Workhand) -> None:
    workhand("run", "--isolation", "none", "--model", workhand.script(PLAN, DELIVER), "A task.")
    session = workhand.session()
    workhand("export", session, "it.workhand")
    ran = workhand("lab", "import", "it.workhand")
    assert "it.workhand: workhand, 1 session, 2 calls of the model, 2 tool calls, 2 results, 0 bad lines" in ran.out
    (trace,) = read_file(workhand.home / "traces" / "workhand" / f"{session}.jsonl.gz").traces
    assert (trace.outcome, trace.parts[1]) == ("answered", Said("user", "A task."))
