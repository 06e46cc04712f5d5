"""What other clients write is read as they mean it; what cannot be used is named with its file and the remedy."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workhand.errors import ConfigError
from workhand.mcp.config import Local, Remote, add, filled, load, read, remove

FILE = Path("mcp.json")
WORDS = st.text(st.characters(exclude_characters="$\0"))


def test_servers_are_read_as_other_clients_write_them(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    stated = {
        "files": {"command": "npx", "args": ["-y", "files"], "env": {"KEY": "${KEY}"}, "autoApprove": ["read"]},
        "plain": {"type": "stdio", "command": "plain", "cwd": "/data", "args": None, "env": None},
        "off": {"command": "off", "disabled": True},
        "issues": {"type": "http", "url": "https://mcp.example.com/", "headers": {"Authorization": "Bearer ${KEY}"}},
        "short": {"url": "http://127.0.0.1:8000/mcp"},
    }
    file.write_text(json.dumps({"mcpServers": stated, "theme": "dark"}))
    assert load(file) == (
        Local("files", "npx", ("-y", "files"), {"KEY": "${KEY}"}, None, file),
        Local("plain", "plain", (), {}, "/data", file),
        Remote("issues", "https://mcp.example.com/", {"Authorization": "Bearer ${KEY}"}, file),
        Remote("short", "http://127.0.0.1:8000/mcp", {}, file),
    )


def test_without_a_file_there_are_no_servers(tmp_path: Path) -> None:
    assert load(tmp_path / "mcp.json") == ()


@pytest.mark.parametrize(
    ("stated", "complaint"),
    [
        ([], "no object; write one"),
        ({}, "text under 'url'"),
        ({"command": ""}, "text under 'command'"),
        ({"command": "a\0b"}, "text under 'command'"),
        ({"command": "x", "args": "-y"}, "'args' must be a list of texts"),
        ({"command": "x", "args": [1]}, "'args' must be a list of texts"),
        ({"command": "x", "env": {"PORT": 8000}}, "quotes around numbers"),
        ({"command": "x", "cwd": 3}, "text under 'cwd'"),
        ({"type": "http", "command": "x"}, "text under 'url'"),
        ({"type": "sse", "url": "https://x/"}, "type 'sse' is not known; there are stdio and http"),
        ({"url": "https://x/", "headers": []}, "'headers' must be an object"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_file_and_its_server(stated: Any, complaint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(FILE, "broken", stated)
    assert complaint in str(raised.value)
    assert str(raised.value).startswith("The MCP server 'broken' in 'mcp.json' cannot be used: ")


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 101])
def test_a_name_is_one_that_can_be_shown(name: str) -> None:
    with pytest.raises(ConfigError, match="1 to 100 printable characters"):
        read(FILE, name, {"command": "x"})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not valid JSON"),
        ("[]", "no JSON object"),
        ('{"mcpServers": []}', "'mcpServers' is no object"),
        (" " * 1_000_001, "longer than 1,000,000 bytes"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "mcp.json"
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(file)
    assert complaint in str(raised.value)
    assert repr(str(file)) in str(raised.value)


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("${KEY}", {"KEY": "k"}, "k"),
        ("a ${env:KEY} b ${KEY}", {"KEY": "k"}, "a k b k"),
        ("${KEY:-none}", {}, "none"),
        ("${KEY:-}", {}, ""),
        ("${KEY:-none}", {"KEY": ""}, ""),
        ("${KEY}", {"KEY": "${OTHER}", "OTHER": "never"}, "${OTHER}"),
        ("$KEY $5", {"KEY": "k"}, "$KEY $5"),
    ],
)
def test_placeholders_stand_for_values_everywhere(text: str, values: dict[str, str], expected: str) -> None:
    local = filled(Local("x", text, (text,), {"A": text}, text), values).server
    assert local == Local("x", expected, (expected,), {"A": expected}, expected)
    remote = filled(Remote("x", "http://h/" + text, {"A": text}), values).server
    assert remote == Remote("x", "http://h/" + expected, {"A": expected})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("${KEY}", "${KEY} has no value; set the variable KEY"),
        ("${input:key}", "${input:key} is no placeholder; write ${NAME}"),
        ("${}", "${} is no placeholder; write ${NAME}"),
    ],
)
def test_a_placeholder_without_a_value_is_named(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        filled(Local("files", "x", (text,), file=FILE), {})
    assert str(raised.value) == f"The MCP server 'files' in 'mcp.json' cannot be used: {complaint}."


@pytest.mark.parametrize("url", ["ftp://x/", "file:///etc/passwd", "https://", "x", "http://[", "${EMPTY}"])
def test_a_url_is_one_of_http(url: str) -> None:
    with pytest.raises(ConfigError, match="must begin with http:// or https://"):
        filled(Remote("x", url), {"EMPTY": ""})


def test_what_may_be_secret_is_shown_nowhere() -> None:
    local = Local("x", "npx", ("--key=sesame",), {"KEY": "sesame"})
    remote = Remote("x", "https://h/?key=sesame", {"Authorization": "Bearer sesame"})
    shown = [repr(each) for each in (local, remote, filled(local, {}), filled(remote, {}))]
    assert [text for text in shown if "sesame" in text] == []


@given(st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), WORDS), WORDS)
def test_filling_replaces_placeholders_and_nothing_else(values: dict[str, str], rest: str) -> None:
    text = rest + "".join(f"${{{name}}}" + rest for name in values)
    server = filled(Local("x", "c", (text,)), values).server
    assert server == Local("x", "c", (rest + "".join(value + rest for value in values.values()),))


def test_adding_and_removing_keep_what_others_wrote(tmp_path: Path) -> None:
    file = tmp_path / "home" / "mcp.json"
    add(file, "one", {"command": "one", "autoApprove": ["x"]})
    file.write_text(json.dumps(json.loads(file.read_text()) | {"theme": "dark"}))
    add(file, "two", {"url": "https://h/"})
    add(file, "one", {"command": "another"})
    remove(file, "two")
    assert json.loads(file.read_text()) == {"mcpServers": {"one": {"command": "another"}}, "theme": "dark"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_cannot_be_used_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    with pytest.raises(ConfigError):
        add(file, "one", {"args": []})
    with pytest.raises(ConfigError, match="has no server 'one'; `workhand mcp ls`"):
        remove(file, "one")
    assert not file.exists()
