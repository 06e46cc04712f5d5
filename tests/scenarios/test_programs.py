"""An agent keeps notes, publishes what it made, and the person looks at it."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest

from tests.cli.command import BEGIN, DELIVER, PLAN, Workhand, shell
from tests.scenarios.test_actions import results

pytestmark = pytest.mark.usefixtures("require_bubblewrap")


def test_notes_of_one_call_are_read_in_another_and_are_a_file_of_the_workspace(workhand: Workhand) -> None:
    added = shell("cd /tmp && note add 'Bolts cost 3.' --source shop.md && note progress 'Half is read.'")
    assert workhand("run", "--model", workhand.script(PLAN, BEGIN, added, shell("note ls"), DELIVER), "Note").code == 0
    assert "Bolts cost 3." in results(workhand)[3] and "[progress]" in results(workhand)[3]
    notes = workhand.home / "sessions" / workhand.session() / "workspace" / "notes.md"
    assert "Source: shop.md" in notes.read_text()


WAIT = "until [ -e seen ]; do sleep 0.05; done; rm -f seen"


def fetched(address: str) -> bytes:
    """Read a page as a browser does, which takes every name below localhost to its own computer."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port or 80, timeout=60)
    connection.request("GET", parts.path, headers={"Host": parts.netloc})
    try:
        return connection.getresponse().read()
    finally:
        connection.close()


def test_a_folder_and_a_server_are_shown_to_the_person_while_the_machine_is_open(workhand: Workhand) -> None:
    python = "python3 -m http.server 5173 --bind 127.0.0.1 --directory site"
    commands = (
        "mkdir site; echo '<h1>Hello' > site/index.html; serve site --port 8080; curl -s http://127.0.0.1:8080/",
        WAIT,
        f"({python} >server.log 2>&1 &); until serve --running --port 5173 | grep http; do :; done; serve ls",
        WAIT,
        "serve stop 8080; serve ls; curl -s http://127.0.0.1:8080/; serve stop 8080",
    )
    model = workhand.script(PLAN, BEGIN, *map(shell, commands), DELIVER)
    running = workhand.start("run", "--model", model, "Show")
    addresses = []
    for count in (1, 2):
        running.until("Published", count)
        told = [each["event"] for each in running.events() if each["event"]["kind"] == "Published"]
        addresses.append(told[-1]["address"])
        running.until("ToolStarted", 1 + 2 * count)
        session = workhand.session()
        assert [fetched(each) for each in addresses] == [b"<h1>Hello\n"] * count
        assert workhand("show", session, "--json").lines[0]["published"] == addresses
        assert f"published: {addresses[0]}\n" in workhand("show", session).out
        (workhand.home / "sessions" / session / "workspace" / "seen").touch()
    ended = running.ended()
    assert ended.code == 0, ended.err
    served, _, listed, _, stopped = results(workhand)[2:7]
    assert served == f"exit 0\n8080 {addresses[0]}\n<h1>Hello\n"
    assert f"8080 {addresses[0]} site\n5173 {addresses[1]} port 5173\n" in listed
    assert stopped == (
        f"exit 1\n5173 {addresses[1]} port 5173\nserve: Port 8080 is not published; there are [5173].\n"
    )  # fmt: skip
    assert workhand("show", workhand.session(), "--json").lines[0]["published"] == []
    with pytest.raises(ConnectionRefusedError):
        fetched(addresses[1])


def test_the_recogniser_of_the_settings_is_used_with_its_model(workhand: Workhand) -> None:
    model = workhand.directory / "speech"
    model.mkdir(mode=0o755)
    (model / "words.txt").write_text("hello\n")
    workhand.settings(f'[transcribe]\ncommand = "cat {{model}}/words.txt"\nmodel = "{model}"\n')
    make = (
        "python3 -c \"import wave; w = wave.open('a.wav', 'wb'); w.setparams((1, 2, 16000, 0, 'NONE', '')); w.close()\""
    )
    for ran in (
        workhand("sandbox", "exec", "--", "sh", "-c", f"{make}; transcribe a.wav"),
        workhand("run", "--model", workhand.script(PLAN, BEGIN, shell(f"{make}; transcribe a.wav"), DELIVER), "Listen"),
    ):
        assert ran.code == 0 and "hello" in ran.out + results(workhand)[2], ran.err


def test_a_model_without_a_command_is_a_fault_of_the_settings(workhand: Workhand) -> None:
    workhand.settings('[transcribe]\nmodel = "/nowhere"\n')
    ran = workhand("sandbox", "exec", "--", "true")
    sentence = "of [transcribe] in the settings needs a `command` with {model} in it; correct it."
    assert (ran.code, ran.err) == (3, f"workhand: The model '/nowhere' {sentence}\n")
