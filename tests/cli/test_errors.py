"""What goes wrong is one sentence on standard error, and an exit code that says who can do something about it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command import DELIVER, PLAN, Ran, Workhand

CONFIG, MODEL, STORE = 3, 4, 6


def complaint(ran: Ran) -> str:
    """Give the one sentence that was said."""
    assert "Traceback" not in ran.err, ran.err
    assert ran.out == ""
    assert re.fullmatch(r"workhand: [A-Z'].*[.)]\n", ran.err), ran.err
    return ran.err


@pytest.mark.parametrize(
    ("code", "words", "arguments"),
    [
        (STORE, "There is no session 'zzz'", ["show", "zzz"]),
        (STORE, "There is no session 'zzz'", ["resume", "zzz"]),
        (STORE, "There is no session 'zzz'", ["say", "zzz", "text"]),
        (STORE, "There is no session 'zzz'", ["pause", "zzz"]),
        (STORE, "There is no session 'zzz'", ["cancel", "zzz"]),
        (STORE, "There is no session 'zzz'", ["restore", "zzz", "c1"]),
        (STORE, "There is no session 'zzz'", ["rewind", "zzz"]),
        (STORE, "There is no session 'zzz'", ["fork", "zzz"]),
        (STORE, "There is no session 'zzz'", ["export", "zzz"]),
        (STORE, "There is no session 'zzz'", ["delete", "zzz", "--yes"]),
        (STORE, "cannot be read", ["import", "nowhere.workhand"]),
        (STORE, "cannot be imported", ["import", "text.txt"]),
        (CONFIG, "no model provider 'nobody'", ["run", "--model", "nobody:x", "task"]),
        (CONFIG, "lacks a name", ["run", "--model", "openai-chat:", "task"]),
        (CONFIG, "cannot be read", ["run", "--model", "script:nowhere", "task"]),
        (CONFIG, "is not JSON", ["run", "--model", "script:text.txt", "task"]),
        (CONFIG, "cannot be attached", ["run", "--model", "script:script.jsonl", "--attach", "nowhere", "task"]),
        (CONFIG, "cannot be attached", ["run", "--model", "script:script.jsonl", "--attach", ".", "task"]),
        (CONFIG, "is not a directory", ["run", "--model", "script:script.jsonl", "--workspace", "text.txt", "task"]),
        (CONFIG, "is not a directory", ["run", "--model", "script:script.jsonl", "--workspace", "nowhere", "task"]),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    workhand: Workhand, code: int, words: str, arguments: list[str]
) -> None:
    workhand.script(PLAN, DELIVER)
    (workhand.directory / "text.txt").write_text("This is text.\n")
    ran = workhand(*arguments)
    assert ran.code == code
    assert words in complaint(ran)


def test_what_cannot_be_begun_leaves_no_session(workhand: Workhand) -> None:
    model = workhand.script(PLAN, DELIVER)
    workhand("run", "--model", model, "--attach", "nowhere", "task")
    assert workhand("sessions", "--json") == Ran(0, "", "")
    assert list(workhand.home.glob("sessions/*")) == []


@pytest.mark.parametrize("home", ["text.txt", "text.txt/below"])
def test_a_home_that_cannot_be_made_is_said_in_one_sentence(workhand: Workhand, home: str) -> None:
    (workhand.directory / "text.txt").write_text("This is text.\n")
    ran = workhand("sessions", WORKHAND_HOME=str(workhand.directory / home))
    assert ran.code == CONFIG
    assert "text.txt" in complaint(ran)


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["run"], ["run", " "], ["resume"], ["say", "x"], ["run", "--max-steps", "0", "x"], ["show", "--no"]],
)
def test_wrong_usage_is_two_and_shows_the_way_to_the_help(workhand: Workhand, arguments: list[str]) -> None:
    ran = workhand(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "--help" in ran.err


def test_without_a_model_all_ways_to_set_one_are_said(workhand: Workhand) -> None:
    ran = workhand("run", "task")
    assert ran.code == CONFIG
    assert [word in ran.err for word in ("openai-chat:NAME", "OPENAI_BASE_URL", "WORKHAND_MODEL", "local")] == [
        True
    ] * 4


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("model = [", "is not valid TOML"),
        ("\ncolour = 1", "colour"),
        ("[openai-chat]\ncolour = 1", "openai-chat.colour"),
        ("[openai-chat]\nwindow_tokens = 'many'", "openai-chat.window_tokens"),
        ("[openai-chat]\ntool_format = 'other'", "openai-chat.tool_format"),
        ("model = 7", "model"),
        ("openai-chat = 7", "openai-chat"),
    ],
)
def test_settings_that_cannot_be_read_name_the_file_and_the_key(workhand: Workhand, settings: str, words: str) -> None:
    workhand.settings(settings)
    ran = workhand("sessions")
    assert ran.code == CONFIG
    assert "config.toml" in ran.err
    assert words in complaint(ran)


def test_an_unknown_key_in_the_settings_is_called_that(workhand: Workhand) -> None:
    workhand.settings("colour = 1")
    assert "argument" not in complaint(workhand("sessions"))


def test_settings_that_were_named_must_be_there(workhand: Workhand) -> None:
    ran = workhand("sessions", WORKHAND_CONFIG="/nowhere/config.toml")
    assert ran.code == CONFIG
    assert "'/nowhere/config.toml'" in complaint(ran)


@pytest.mark.parametrize(
    "arguments",
    [
        ["rewind", "--to", "0"],
        ["rewind", "--to", "9999"],
        ["fork", "--at", "1"],
        ["fork", "--at", "9999"],
        ["show", "--prompt", "9999"],
        ["restore", "c9999"],
        ["restore", "c9999", "--arguments"],
        ["restore", "--", "-1"],
    ],
)
def test_a_position_that_is_not_there_is_said_in_one_sentence(ended: Workhand, arguments: list[str]) -> None:
    command, *rest = arguments
    ran = ended(command, ended.session(), *rest)
    assert ran.code == CONFIG
    assert any(word in complaint(ran) for word in ("osition", "no result", "no call"))


def test_a_session_is_found_by_the_beginning_of_its_id_unless_two_begin_so(workhand: Workhand) -> None:
    model = workhand.script(PLAN, {"tool": "message_result", "arguments": {"text": "Done."}})
    for _ in range(2):
        workhand("run", "--isolation", "none", "--model", model, "task")
    first, second = (row["id"] for row in workhand("sessions", "--json").lines)
    ran = workhand("show", "")
    assert ran.code == CONFIG
    assert first in complaint(ran) and second in ran.err
    prefix = next(first[:length] for length in range(1, 9) if first[:length] != second[:length])
    assert workhand("show", prefix).out.startswith(first)


def damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5_000].ljust(40_000, b"\xff"))


def foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE other (number INTEGER)")
    database.close()


def newer(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[60:64] = (999).to_bytes(4, "big")  # ``user_version``, in SQLite's header
    path.write_bytes(content)


@pytest.mark.parametrize(("harm", "words"), [(damaged, "damaged"), (foreign, "not a workhand"), (newer, "newer")])
def test_a_database_that_cannot_be_used_is_said_in_one_sentence(
    workhand: Workhand, harm: Callable[[Path], None], words: str
) -> None:
    workhand("run", "--isolation", "none", "--model", workhand.script(PLAN, DELIVER), "task")
    harm(workhand.home / "workhand.db")
    ran = workhand("sessions")
    assert ran.code == STORE
    assert words in complaint(ran)


def test_a_session_whose_workspace_is_gone_says_so(workhand: Workhand) -> None:
    workspace = workhand.directory / "mine"
    workspace.mkdir()
    model = workhand.script(PLAN, DELIVER)
    workhand("run", "--isolation", "none", "--model", model, "--workspace", "mine", "task")
    workspace.rename(workhand.directory / "moved")
    ran = workhand("say", workhand.session(), "more")
    assert ran.code == CONFIG
    assert "put it back" in complaint(ran)


def test_deleting_without_an_answer_says_how_to_and_deletes_nothing(workhand: Workhand) -> None:
    workhand("run", "--isolation", "none", "--model", workhand.script(PLAN, DELIVER), "task")
    ran = workhand("delete", workhand.session())
    assert "--yes" in ran.err
    assert len(workhand("sessions", "--json").lines) == 1


@pytest.mark.parametrize("kind", ["skills", "mcp", "api", "data"])
def test_an_empty_list_says_how_something_comes_into_it(workhand: Workhand, kind: str) -> None:
    listed = workhand(kind, "ls")
    assert listed.out.startswith("There ") and f"workhand {kind} add" in listed.out
    assert workhand(kind, "ls", "--json").out == ""
