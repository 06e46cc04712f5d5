"""MCP servers that a session uses in machines of their own: what they are given, and what they are not."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.command import BEGIN, DELIVER, PLAN, Workhand, shell
from tests.loopback import Handler, serving
from tests.mcp.conftest import REAL_SERVER

pytestmark = pytest.mark.usefixtures("require_bubblewrap")
VALUE = "dummy-value-123456"
SHELL_SERVER = REAL_SERVER.with_name("shell_server.py")
PROGRAM = ("/usr/bin/python3", str(SHELL_SERVER))


class Api(Handler):
    """An API that says back with which key it was asked."""

    keys: list[str] = []  # noqa: RUF012 - the class is made anew for each server

    def do_GET(self) -> None:
        self.keys.append(self.headers.get("Authorization", ""))
        self.say(b"served")


@pytest.fixture
def api() -> Iterator[tuple[str, list[str]]]:
    kind = type("Fresh", (Api,), {"keys": []})
    with serving(kind) as port:
        yield f"host.internal:{port}", kind.keys  # type: ignore[attr-defined]  # it has what Api has


def told(workhand: Workhand, *commands: str) -> list[str]:
    """Have an agent run commands by the server, one by one, and give what came back."""
    calls = [f"mcp call box run {shlex.quote(json.dumps({'command': each}))}" for each in commands]
    model = workhand.script(PLAN, BEGIN, *map(shell, calls), DELIVER)
    ran = workhand("run", "--model", model, "Do it")
    assert ran.code == 0, ran.err
    results = [each["observation"]["full"] for each in events(workhand, "ToolReturned")]
    return results[2 : 2 + len(calls)]


def events(workhand: Workhand, kind: str) -> list[dict[str, Any]]:
    return [line["event"] for line in workhand.events(workhand.session()) if line["event"]["kind"] == kind]


def test_a_server_sees_its_program_and_what_is_shown_and_changes_only_what_it_may(workhand: Workhand) -> None:
    read, written, other = (workhand.directory / name for name in ("read", "written", "other"))
    for directory in (read, written, other):
        directory.mkdir()
        (directory / "note").write_text(f"{directory.name}\n")
    shown = ("--read", str(read), "--write", str(written))
    assert workhand("mcp", "add", "box", "--env", "WORD=heard", *shown, "--", *PROGRAM).code == 0
    seen, changed, around = told(
        workhand,
        f"cat {read}/note {written}/note {other}/note {workhand.home}/mcp.json; ls {SHELL_SERVER.parent} | grep conf",
        f"echo new > {written}/made; echo new > {read}/made; echo new > ~/made; ls ~",
        "env | grep -c -e WORD=heard -e WORKHAND -e PROXY; ls /sys/class/net 2>&1; cat ~/made; id -u",
    )
    assert "read\nwritten\n" in seen and seen.count("No such file") == 2 and "conftest.py" in seen
    assert "Read-only file system" in changed and "made" in changed.splitlines()
    assert (written / "made").read_text() == "new\n" and not (read / "made").exists()
    assert "\n1\n" in around and "new" in around and around.rstrip().endswith("1000")


def test_a_server_reaches_only_its_own_hosts_and_a_key_is_in_none_of_it(
    workhand: Workhand, api: tuple[str, list[str]]
) -> None:
    address, keys = api
    assert workhand("secrets", "add", "API_KEY", "--host", address, stdin=VALUE + "\n").code == 0
    given = ("--network", address, "--env", "TOKEN=Bearer ${API_KEY}")
    assert workhand("mcp", "add", "box", *given, "--", *PROGRAM).code == 0
    asked, refused, looked = told(
        workhand,
        f'curl -sS -H "Authorization: $TOKEN" http://{address}/',
        "curl -sS -m 9 http://other.invalid/",
        f"env | grep -c {VALUE}; echo $TOKEN | cut -c1-10",
    )
    assert "served" in asked and keys == [f"Bearer {VALUE}"]
    assert "other.invalid:80 is not among the hosts that are stated for this program" in refused
    assert "0\nBearer wh_" in looked
    contacts = [(each["host"], each["verdict"], each["asks"]) for each in events(workhand, "HostContacted")]
    assert contacts == [("host.internal", "allowed", False), ("other.invalid", "refused", False)]


def test_where_no_machine_opens_a_server_does_not_run_unless_it_is_stated(workhand: Workhand) -> None:
    workhand.settings('isolation = "vm"\n')
    workhand("mcp", "add", "box", "--", *PROGRAM)
    tried = workhand("mcp", "test", "box")
    assert tried.code != 0 and "unless `workhand mcp add box --no-sandbox` says so" in tried.err
    workhand("mcp", "add", "box", "--no-sandbox", "--", *PROGRAM)
    assert "runs on this computer, as you" in workhand("mcp", "test", "box").out


def test_what_a_server_is_told_of_and_not_shown_is_an_error_with_the_remedy(workhand: Workhand) -> None:
    workhand("mcp", "add", "box", "--", *PROGRAM, str(workhand.directory))
    assert "is not shown; add it with --read or --write" in workhand("mcp", "test", "box").err
    workhand("mcp", "add", "box", "--read", str(workhand.directory), "--", *PROGRAM, str(workhand.directory))
    assert "Workhand's own files are in it" in workhand("mcp", "test", "box").err
