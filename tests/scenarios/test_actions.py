"""An agent uses the programs of its machine, MCP servers of the host, a search and a browser."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from tests.browser.site import serving
from tests.cli.command import BEGIN, DELIVER, PLAN, Workhand, shell
from tests.mcp.conftest import REAL_SERVER

pytestmark = pytest.mark.usefixtures("require_bubblewrap")

STEPS = """mcp call real steps '{"count": 3}'"""
CALL = """mcp call real add '{"a": 20, "b": 22}'"""


def results(workhand: Workhand) -> list[str]:
    told = [line["event"] for line in workhand.events(workhand.session())]
    return [event["observation"]["full"] for event in told if event["kind"] == "ToolReturned"]


def test_programs_and_servers_are_found_and_used_from_a_shell(workhand: Workhand) -> None:
    assert workhand("mcp", "add", "real", "--", sys.executable, str(REAL_SERVER)).code == 0
    table = "printf 'name,price\\nbolt,3\\n' > parts.csv; extract parts.csv"
    commands = map(
        shell,
        ("workhand-tools", "mcp servers; mcp tools real add", CALL, table, "mcp call real steps '{\"count\": 3}'"),
    )
    assert workhand("run", "--model", workhand.script(PLAN, BEGIN, *commands, DELIVER), "Add").code == 0
    programs, tools, called, extracted, followed = results(workhand)[2:7]
    assert "[1 of 3]" in followed
    assert "extract" in programs and "mcp" in programs
    assert "real" in tools and '"properties"' in tools
    assert '"total": 42' in called
    assert "| bolt | 3 |" in extracted


def test_a_rule_forbids_a_tool_of_a_server(workhand: Workhand) -> None:
    workhand("mcp", "add", "real", "--", sys.executable, str(REAL_SERVER))
    rules = workhand.directory / "rules.toml"
    rules.write_text('[[rule]]\nname = "no-sums"\nverdict = "deny"\nhosts = ["mcp:real/a*"]\nwhy = "No sums."\n')
    model = workhand.script(PLAN, BEGIN, shell(CALL), DELIVER)
    assert workhand("run", "--model", model, "--approve", str(rules), "Add").code == 0
    told = results(workhand)[2]
    assert "mcp: Refused by rule 'no-sums': No sums." in told and "42" not in told
    kinds = [line["event"] for line in workhand.events(workhand.session()) if line["event"]["kind"] == "HostContacted"]
    assert [(each["host"], each["verdict"]) for each in kinds] == [("mcp:real/add", "refused")]


def test_without_servers_and_network_the_programs_say_so(workhand: Workhand) -> None:
    look: dict[str, Any] = {"tool": "browser_open", "arguments": {"url": "https://example.com/"}}
    find: dict[str, Any] = {"tool": "search_web", "arguments": {"query": "bolts"}}
    model = workhand.script(PLAN, BEGIN, shell("mcp servers"), look, find, DELIVER)
    assert workhand("run", "--model", model, "Look").code == 0
    asked, looked, found = results(workhand)[2:5]
    assert "No MCP server is set up" in asked
    assert "no browser" in looked and "--network" in looked
    assert "Nothing is set up to search" in found


@pytest.mark.usefixtures("require_browser")
def test_a_page_is_read_in_a_browser_and_a_folder_is_searched(workhand: Workhand) -> None:
    documents = workhand.directory / "documents"
    documents.mkdir()
    (documents / "bolts.md").write_text("# Bolts\n\nThe price of bolts rises.\n")
    workhand.settings(f'[search]\nfolder = "{documents}"\n')
    find: dict[str, Any] = {"tool": "search_web", "arguments": {"query": "price of bolts"}}
    with serving() as port:
        look: dict[str, Any] = {"tool": "browser_open", "arguments": {"url": f"http://host.internal:{port}/"}}
        view: dict[str, Any] = {"tool": "browser_view", "arguments": {"form": "markdown"}}
        model = workhand.script(PLAN, BEGIN, find, look, view, DELIVER)
        ran = workhand("run", "--model", model, "--network", f"host.internal:{port}", "Look")
    assert ran.code == 0, ran.err
    found, looked, viewed = results(workhand)[2:5]
    assert "bolts.md" in found and "The price of bolts rises" in found
    assert f"http://host.internal:{port}/" in looked and "[ref=" in looked, looked
    assert viewed.count("\n") > 1
    assert (workhand.home / "browser" / "profile").is_dir()


@pytest.mark.usefixtures("require_browser")
def test_drawing_a_page_asks_the_network_for_nothing(workhand: Workhand) -> None:
    draw = shell("echo '<h1>Bolts</h1>' > a.html; render a.html a.png")
    model = workhand.script(PLAN, BEGIN, draw, DELIVER)
    ran = workhand("run", "--model", model, "--network", "host.internal:9", "Draw")
    assert ran.code == 0, ran.out
    assert "a.png" in results(workhand)[2]
    assert "HostContacted" not in [line["event"]["kind"] for line in workhand.events(workhand.session())]


@pytest.mark.parametrize(
    "isolation", ["namespace", *(pytest.param(each, marks=pytest.mark.machines) for each in ("kernel", "vm"))]
)
def test_the_programs_are_in_machines_of_every_tier(workhand: Workhand, isolation: str) -> None:
    table = "printf 'a,b\\n1,2\\n' > t.csv; extract t.csv"
    cache = os.environ.get("WORKHAND_CACHE") or os.path.expanduser("~/.cache/workhand")
    ran = workhand("sandbox", "exec", "--isolation", isolation, "--", "sh", "-c", table, WORKHAND_CACHE=cache)
    assert (ran.code, ran.out) == (0, "| a | b |\n| --- | --- |\n| 1 | 2 |\n"), ran.err
