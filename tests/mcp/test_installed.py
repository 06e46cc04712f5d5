"""What of this computer a server needs to be able to read, found from its program."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workhand.errors import ConfigError
from workhand.mcp.config import Box, Local
from workhand.mcp.installed import Installed, check_shown, installed


def program(path: Path, content: str = "\x7fELF") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(0o755)
    return path


def test_a_program_without_a_mark_is_one_file(tmp_path: Path) -> None:
    one = program(tmp_path / "bin" / "one")
    program(tmp_path / "bin" / "other")
    assert installed(Local("x", str(one), ("serve",))) == Installed((str(one), "serve"), (one,), ())


def test_a_program_of_the_system_needs_nothing() -> None:
    assert installed(Local("x", "/bin/cat", ("-n",))) == Installed(("/bin/cat", "-n"), (), ())


def test_a_script_of_a_virtual_environment_needs_that_and_the_python_it_was_made_from(tmp_path: Path) -> None:
    python = program(tmp_path / "python" / "bin" / "python3")
    (tmp_path / "python" / "lib" / "python3.12").mkdir(parents=True)
    made = tmp_path / "made"
    script = program(made / "bin" / "server", f"#!{made}/bin/python3\n")
    (made / "bin" / "python3").symlink_to(python)
    (made / "pyvenv.cfg").write_text(f"home = {python.parent}\n")
    linked = tmp_path / "links" / "server"
    linked.parent.mkdir()
    linked.symlink_to(script)
    found = (made, python.parent, tmp_path / "python" / "lib")
    assert installed(Local("x", str(script))) == Installed((str(script),), found, (made / "bin",))
    assert installed(Local("x", str(linked))).places == (linked, *found)


def test_a_package_of_node_needs_those_beside_it_and_the_node_that_is_found(tmp_path: Path) -> None:
    packages, node = tmp_path / "node_modules", program(tmp_path / "node" / "bin" / "node")
    (tmp_path / "node" / "lib" / "node_modules").mkdir(parents=True)
    main = program(packages / "@who" / "server" / "dist" / "index.js", "#!/usr/bin/env node\n")
    (packages / ".bin").mkdir()
    (packages / ".bin" / "server").symlink_to("../@who/server/dist/index.js")
    path = {"PATH": f"{packages}/.bin:{node.parent}:{os.environ['PATH']}"}
    needs = (node.parent, tmp_path / "node" / "lib", packages)
    named = installed(Local("x", "server", environment=path))
    given = installed(Local("x", "node", (str(main),), path))
    assert (named.places, named.search, named.argv) == (needs, (node.parent,), (f"{packages}/.bin/server",))
    assert (given.places, given.argv) == (needs, (str(node), str(main)))


def test_a_script_that_is_an_argument_brings_its_package_or_its_directory(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "package.json").write_text("{}")
    main = program(tmp_path / "project" / "src" / "main.js", "")
    alone = program(tmp_path / "alone" / "server.py", "")
    python, node = program(tmp_path / "python3"), program(tmp_path / "node")
    assert installed(Local("x", str(node), ("--quiet", str(main)))).places == (node, tmp_path / "project")
    assert installed(Local("x", str(python), (str(alone),))).places == (tmp_path / "alone", python)
    assert installed(Local("x", str(python), ("-m", str(alone)))).places == (python,)


def test_a_script_in_ones_home_brings_nothing_else_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    python, script = program(tmp_path / "bin" / "python3"), program(tmp_path / "server.py", "")
    assert installed(Local("x", str(python), (str(script),))).places == (python, script)


@pytest.mark.parametrize(
    ("command", "remedy"),
    [
        ("npx", "install the server first"),
        ("uvx", "--network HOST"),
        ("docker", "--no-sandbox"),
        ("shims/x", "state the"),
    ],
)
def test_what_cannot_run_there_is_refused_with_the_remedy(tmp_path: Path, command: str, remedy: str) -> None:
    path = program(tmp_path / command)
    with pytest.raises(ConfigError, match=remedy):
        installed(Local("x", str(path)))


def test_what_downloads_may_with_a_network(tmp_path: Path) -> None:
    path = program(tmp_path / "npx")
    assert installed(Local("x", str(path), ("-y", "server"), box=Box("index.example.com"))).places == (path,)


@pytest.mark.parametrize(
    ("stated", "named"),
    [
        ({"arguments": ("{at}",)}, "argument"),
        ({"arguments": ("--db={at}/new.db",)}, "argument"),
        ({"environment": {"FILE": "{at}"}}, "variable 'FILE'"),
        ({"directory": "{at}"}, "directory"),
    ],
)
def test_what_a_server_is_told_of_and_not_shown_is_said(tmp_path: Path, stated: dict[str, object], named: str) -> None:
    def filled(value: object) -> object:
        match value:
            case tuple():
                return tuple(str(each).replace("{at}", str(tmp_path)) for each in value)
            case dict():
                return {key: str(each).replace("{at}", str(tmp_path)) for key, each in value.items()}
            case _:
                return str(value).replace("{at}", str(tmp_path))

    server = Local("x", "/bin/cat", **{key: filled(value) for key, value in stated.items()})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"its {named}.* not shown; add it with --read or --write"):
        check_shown(server, ())
    check_shown(server, (tmp_path,))


def test_what_only_looks_like_a_place_is_let_be() -> None:
    words = ("/", "/api", "/tmp", "/usr/bin/git", "--url=https://h/", "data", "/no/such/place")
    check_shown(Local("x", "/bin/cat", words), ())
