"""A person looks at what a session made: in the terminal, by their own program, as one page; and at nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import BEGIN, DELIVER, PLAN, Workhand, shell
from tests.cli.test_terminal import terminal
from tests.sandbox.test_view import png

FILES = {
    "report.md": b"# Bolts\n\nThey cost **3**.\n",
    "prices.csv": b"name,price\nbolt,3\n\x1b[31m,2\n",
    "facts.json": b'{"bolt":3}',
    "notes.txt": b"plain \x1b]0;title\x07 text\n",
    "page.html": b'<h1>Hello</h1><script src="http://evil.example/x.js"></script>',
    "chart.png": png(4, 3),
    "data.bin": b"\0\1\2",
    "sub/deep.txt": b"deep\n",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workhand]:
    """A session that has delivered a report, with more files in its workspace, and links that lead out of it."""
    workhand = Workhand(tmp_path_factory.mktemp("made"))
    workspace = workhand.directory / "workspace"
    for name, content in FILES.items():
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_bytes(content)
    (workhand.directory / "secret.txt").write_text("secret")
    (workspace / "link.txt").symlink_to(workhand.directory / "secret.txt")
    (workspace / "out").symlink_to(workhand.directory)
    os.mkfifo(workspace / "pipe")
    result = {"tool": "message_result", "arguments": {"text": "Done.", "attachments": ["report.md"]}}
    model = workhand.script(PLAN, BEGIN, shell("true"), result)
    ran = workhand("run", "--isolation", "none", "--workspace", str(workspace), "--model", model, "Report")
    assert ran.code == 0, ran.err
    yield workhand


def test_what_was_delivered_is_listed(made: Workhand) -> None:
    report = made.directory / "workspace" / "report.md"
    assert made("open", made.session()).out == f"{len(FILES['report.md']):>13}  {report}\n"
    (line,) = made("open", made.session(), "--json").lines
    assert line == {"path": str(report), "bytes": len(FILES["report.md"]), "delivered": True}


def test_where_nothing_was_delivered_the_files_of_the_workspace_are_listed(workhand: Workhand) -> None:
    model = workhand.script(PLAN, BEGIN, shell("echo a > a.txt; ln -s a.txt b.txt"), DELIVER)
    assert workhand("run", "--isolation", "none", "--model", model, "Make").code == 0
    said = workhand("open", workhand.session()).out
    assert said.startswith("Nothing was delivered; these are files of ")
    assert [line.split()[1].rpartition("/")[2] for line in said.splitlines()[1:]] == ["a.txt"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("report.md", "Bolts"),
        ("/home/agent/report.md", "They cost 3."),
        ("prices.csv", "name   price\nbolt   3"),
        ("facts.json", '"bolt": 3'),
        ("notes.txt", "plain ␛]0;title␇ text"),
        ("sub/deep.txt", "deep"),
        ("./sub/../sub/deep.txt", "deep"),
    ],
)
def test_texts_are_drawn_without_a_control_character(made: Workhand, name: str, shown: str) -> None:
    ran = made("open", made.session(), name)
    assert (ran.code, ran.err) == (0, "")
    assert shown in "\n".join(line.rstrip() for line in ran.out.splitlines()) and "\x1b" not in ran.out


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.md", "has no file 'none.md'"),
        ("link.txt", "is a link, which is not followed"),
        ("out/secret.txt", "is a link, which is not followed"),
        ("../secret.txt", "is not in the session's folders"),
        ("/etc/passwd", "is not in the session's folders"),
        ("sub", "is no file"),
        (".", "is a folder"),
        ("pipe", "is no file"),
        ("report.md/x", "has no file"),
    ],
)
def test_nothing_outside_is_shown_and_no_link_followed(made: Workhand, name: str, reason: str) -> None:
    ran = made("open", made.session(), name)
    assert (ran.code, ran.out) == (3, "") and reason in ran.err, ran.err


def test_where_no_program_can_show_a_picture_its_path_is_printed(made: Workhand) -> None:
    for name in ("chart.png", "page.html", "data.bin"):
        assert made("open", made.session(), name, BROWSER="true").out == f"{made.directory / 'workspace' / name}\n"


def test_pictures_and_pages_are_given_to_the_program_of_the_person(made: Workhand) -> None:
    program = made.directory / "viewer"
    program.write_text(f'#!/bin/sh\ncp "$2" "{made.directory}/seen-$(basename "$2")"\n')
    program.chmod(0o755)
    made.environment["BROWSER"] = f"{program} -new %s"
    for name in ("chart.png", "page.html"):
        with terminal(made, "open", made.session(), name) as shown:
            assert shown.ends() == 0, shown.plain
    del made.environment["BROWSER"]
    assert (made.directory / "seen-chart.png").read_bytes() == FILES["chart.png"]
    page = (made.directory / "seen-page.html.html").read_text()
    assert "default-src 'none'" in page and 'sandbox="allow-scripts"' in page and "&lt;h1&gt;Hello" in page


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("report.md", "Bolts"),
        ("prices.csv", "bolt"),
        ("chart.png", '<img alt="" src="data:image/png;base64,iVBOR'),
        ("page.html", "&lt;script src="),
        ("data.bin", "binary data, 3 bytes, cannot be shown here"),
    ],
)
def test_a_file_becomes_one_page_that_loads_nothing(made: Workhand, tmp_path: Path, name: str, part: str) -> None:
    out = tmp_path / "page.html"
    assert made("open", made.session(), name, "--html", str(out)).out == f"{out}\n"
    page = out.read_text()
    assert part in page and "default-src 'none'" in page and "<script" not in page


def test_a_program_learns_what_a_file_is(made: Workhand) -> None:
    (facts,) = made("open", made.session(), "prices.csv", "--json").lines
    path = str(made.directory / "workspace" / "prices.csv")
    size = len(FILES["prices.csv"])
    assert facts == {"path": path, "kind": "table", "media_type": "text/csv", "bytes": size}


def test_a_session_whose_files_are_gone_says_so(workhand: Workhand) -> None:
    model = workhand.script(PLAN, BEGIN, DELIVER)
    assert workhand("run", "--isolation", "none", "--model", model, "Nothing").code == 0
    session = workhand.session()
    place = workhand.home / "sessions" / session / "place.json"
    place.write_text(json.dumps({"workspace": "/nowhere/at/all", "forked": False}))
    assert "is gone; put it back" in workhand("open", session).err
    place.unlink()
    assert "is gone; import it" in workhand("open", session, "a").err
