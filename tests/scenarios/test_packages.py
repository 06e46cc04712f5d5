"""`pip install` in a machine gets its packages from the host, which asks one index and checks what comes."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import BEGIN, DELIVER, PLAN, Workhand, shell

pytestmark = pytest.mark.usefixtures("require_bubblewrap")
INSTALL = shell("pip install greeting 2>&1; cd /tmp; python3 -c 'import greeting; print(greeting.SAID)'")


def publish(folder: Path, name: str, *, digest: str = "") -> None:
    """Put a wheel and its page into an index of files; with another digest, its page says what is not so."""
    (folder / "simple" / name).mkdir(parents=True)
    file = folder / f"{name}-1.0-py3-none-any.whl"
    head = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr(f"{name}.py", "SAID = 'hello from a wheel'\n")
        wheel.writestr(f"{head}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{head}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{head}/RECORD", "")
    said = digest or hashlib.sha256(file.read_bytes()).hexdigest()
    page = f'<a href="../../{file.name}#sha256={said}">{file.name}</a>'
    (folder / "simple" / name / "index.html").write_text(page)


def go(workhand: Workhand, network: str, *more: str) -> list[dict[str, Any]]:
    workhand.settings(
        f'cache = "{workhand.directory}/cache"\n[packages]\nindex = "file://{workhand.directory}/simple"\n'
    )
    model = workhand.script(PLAN, BEGIN, INSTALL, DELIVER)
    ran = workhand("run", "--model", model, "--network", network, *more, "Install")
    assert ran.code == 0, ran.err
    return [line["event"] for line in workhand.events(workhand.session())]


def said(events: list[dict[str, Any]]) -> str:
    return "\n".join(str(each["observation"]["full"]) for each in events if each["kind"] == "ToolReturned")


def test_what_pip_installs_comes_through_the_host_and_is_there_later_without_a_network(workhand: Workhand) -> None:
    publish(workhand.directory, "greeting")
    events = go(workhand, "open")
    assert "hello from a wheel" in said(events), said(events)
    came = [(each["host"], each["verdict"], each["rule"]) for each in events if each["kind"] == "HostContacted"]
    assert came == [("packages", "allowed", "packages"), ("packages:greeting", "allowed", "packages")]
    assert "hello from a wheel" in said(go(workhand, "none"))


def test_a_file_that_is_not_what_its_page_says_is_not_given(workhand: Workhand) -> None:
    publish(workhand.directory, "greeting", digest="0" * 64)
    events = go(workhand, "open")
    assert "hello from a wheel" not in said(events)
    assert "ModuleNotFoundError" in said(events)


def test_a_rule_refuses_a_package_by_its_name(workhand: Workhand) -> None:
    publish(workhand.directory, "greeting")
    rules = workhand.directory / "rules.toml"
    rules.write_text('[[rule]]\nname = "no-greeting"\nverdict = "deny"\nhosts = ["packages:greet*"]\n')
    events = go(workhand, "open", "--approve", str(rules))
    assert "hello from a wheel" not in said(events)
    refused = {(each["host"], each["rule"]) for each in events if each.get("verdict") == "refused"}
    assert refused == {("packages:greeting", "no-greeting")}


def test_a_package_of_ones_own_is_installed_without_a_network_and_instead_of_one_in_the_index(
    workhand: Workhand,
) -> None:
    publish(workhand.directory / "mine", "greeting")
    publish(workhand.directory, "greeting", digest="0" * 64)
    workhand.settings(f'cache = "{workhand.directory}/cache"\n')
    added = workhand("packages", "add", str(workhand.directory / "mine" / "greeting-1.0-py3-none-any.whl"))
    assert added.code == 0, added.err
    for network in ("none", "open"):
        events = go(workhand, network)
        assert "hello from a wheel" in said(events), said(events)
        assert {each["host"] for each in events if each["kind"] == "HostContacted"} == {"packages:greeting"}
