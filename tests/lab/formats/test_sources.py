"""Files are found and told apart by what is in them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.lab.formats import test_atif, test_claude_code, test_codex, test_openai, test_openhands, test_workhand
from tests.lab.formats.lines import jsonl
from workhand.errors import ConfigError
from workhand.lab.formats.sources import paths, read_file
from workhand.lab.formats.trajectory import write
from workhand.lab.trace import Said, Trace

CLAUDE = jsonl(test_claude_code.ASKED, *test_claude_code.SPLIT)
TEXTS = [
    ("codex", jsonl(*test_codex.LINES)),
    ("codex", json.dumps(test_codex.LINES)),
    ("claude-code", CLAUDE),
    ("claude-code", '{"type": "summary", "summary": "x", "leafUuid": "y"}\n' + CLAUDE),
    ("claude-code", "cut off\n" + CLAUDE),
    ("atif", json.dumps(test_atif.trajectory(test_atif.STEPS), indent=2)),
    ("openhands", json.dumps(test_openhands.EVENTS, indent=2)),
    ("openhands", jsonl({"instance_id": "one", "history": test_openhands.EVENTS})),
    ("openai", json.dumps(test_openai.MESSAGES)),
    ("openai", jsonl({"messages": test_openai.MESSAGES})),
    ("openai", json.dumps({"numbers": list(range(500)), "messages": test_openai.MESSAGES}, indent=1)),
    ("anthropic", jsonl({"system": "Be brief.", "messages": [{"role": "user", "content": "Go."}]})),
    ("workhand", "".join(test_workhand.lines())),
    ("trajectory-v1", gzip.decompress(write(Trace("a", "b", (Said("user", "Go."),)))).decode()),
]


@pytest.mark.parametrize(("format", "text"), TEXTS)
def test_a_format_is_told_from_the_content_and_not_from_the_name(format: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text(text)
    (tmp_path / "packed.json").write_bytes(gzip.compress(("\ufeff" + text.replace("\n", "\r\n")).encode()))
    plain, packed = read_file(tmp_path / "plain.txt"), read_file(tmp_path / "packed.json")
    assert (plain.format, packed.format) == (format, format)
    assert [trace.parts for trace in plain.traces] == [trace.parts for trace in packed.traces] != []


@pytest.mark.parametrize(
    "content",
    [b"", b"words", b"[]", b'{"a": 1}', b"\xff\xfe\x00", b"PK\x03\x04 no zip", b'[{"role": "user"}]', b"\x1f\x8b"],
)
def test_what_is_in_no_known_format_is_said_in_one_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    if content.startswith(b"PK"):
        assert [fault.line for fault in read_file(tmp_path / "a.json").faults] == [1]
        return
    with pytest.raises(ConfigError, match=r"a\.json' (is in no format|cannot be read)"):
        read_file(tmp_path / "a.json")


def test_a_packed_file_that_is_cut_gives_what_comes_before(tmp_path: Path) -> None:
    lines = [{"role": "user", "content": f"{number} {number**7}"} for number in range(20_000)]
    (tmp_path / "a.gz").write_bytes(gzip.compress(jsonl(*lines).encode())[:-30_000])
    read = read_file(tmp_path / "a.gz")
    assert 1_000 < len(read.traces[0].parts) < 20_000
    assert len(read.faults) == 1


def test_bytes_that_are_no_text_cost_only_themselves(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b'{"role": "user", "content": "a\xffb"}\n')
    assert read_file(tmp_path / "a").traces[0].parts == (Said("user", "a\ufffdb"),)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_over_the_bound_is_refused(pack: type[bytes], tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(pack(b'{"role": "user", "content": "' + b"x" * 2_000 + b'"}'))
    with pytest.raises(ConfigError, match="has more than 1,000 bytes"):
        read_file(tmp_path / "a", bytes_max=1_000)


def test_folders_give_the_files_with_fitting_names_in_order(tmp_path: Path) -> None:
    for name in (
        "b.jsonl",
        "a/z.json.gz",
        "a/x.txt",
        "a/b/c.workhand",
        "c.tar.gz",
        "d.zip",
        "events/event-00001-x.json",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    found = paths([tmp_path, tmp_path / "a" / "x.txt", tmp_path / "b.jsonl"])
    assert [str(path.relative_to(tmp_path)) for path in found] == [
        *("a/b/c.workhand", "a/z.json.gz", "b.jsonl", "d.zip", "events", "a/x.txt")
    ]


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing at"):
        paths([tmp_path / "nowhere"])


def test_a_folder_of_events_is_one_session_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = tmp_path / "session" / "events"
    folder.mkdir(parents=True)
    for number, event in reversed(list(enumerate(test_openhands.EVENTS))):
        (folder / f"event-{number:05}-{99 - number}.json").write_text(json.dumps(event, indent=1))
    read = read_file(folder)
    assert [(trace.id, trace.parts) for trace in read.traces] == [("session", test_openhands.PARTS)]
