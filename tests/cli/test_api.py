"""The commands about APIs: what is added, and why something is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Workhand

BOLTS = Path(__file__).parents[1] / "apis" / "bolts.yaml"
VALUE = "dummy-value-123456"
CONFIG = 3


def test_an_api_is_added_listed_shown_and_removed(workhand: Workhand) -> None:
    assert workhand("secrets", "add", "KEY", "--host", "bolts.example", stdin=VALUE).code == 0
    added = workhand("api", "add", "bolts", "--openapi", str(BOLTS), "--secret", "KEY")
    said = "bolts is added: 3 operations at https://bolts.example/v1, with KEY in the header Authorization (bearer)."
    assert (added.code, added.out.splitlines()[0]) == (0, said), added.err
    (listed,) = workhand("api", "ls", "--json").lines
    assert (listed["name"], listed["host"], listed["secret"]) == ("bolts", "bolts.example", "KEY")
    shown = workhand("api", "show", "bolts").out
    assert "from apis.bolts import connect" in shown and VALUE not in shown
    again = workhand("api", "add", "bolts", "--openapi", str(BOLTS), "--secret", "KEY")
    assert (again.code, "There is an API 'bolts' already" in again.err) == (CONFIG, True)
    assert workhand("api", "remove", "bolts").out == "bolts is removed.\n"
    assert workhand("api", "ls", "--json").out == "" and "KEY" in workhand("secrets").out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["add", "Bolts", "--openapi", "{bolts}"], "The name 'Bolts' cannot be a module's"),
        (["add", "class", "--openapi", "{bolts}"], "The name 'class' cannot be a module's"),
        (["add", "b", "--openapi", "nowhere.json"], "'nowhere.json' cannot be read"),
        (["add", "b", "--openapi", "http://127.0.0.1:9/x"], "cannot be fetched"),
        (["add", "b", "--openapi", "{bolts}", "--base-url", "bolts"], "The API's address is 'bolts'"),
        (
            ["add", "b", "--openapi", "{bolts}", "--secret", "OTHER"],
            "`workhand secrets add OTHER --host bolts.example`",
        ),
        (
            ["add", "b", "--openapi", "{bolts}", "--secret", "KEY", "--base-url", "https://evil.example"],
            "'KEY' is for bolts.example/v1, and not for 'https://evil.example'; `workhand secrets add KEY --host",
        ),
        (
            ["add", "b", "--openapi", "{bolts}", "--secret", "KEY", "--base-url", "https://bolts.example/v10"],
            "and not for",
        ),
        (
            ["add", "b", "--openapi", "{bolts}", "--secret", "KEY", "--scheme", "none"],
            "The scheme 'none' cannot be used",
        ),
        (
            ["add", "b", "--openapi", "{bolts}", "--secret", "KEY", "--scheme", "asked"],
            "no secret may stand in an address",
        ),
        (["show", "b"], "There is no API 'b'"),
        (["remove", "b"], "There is no API 'b'"),
    ],
)
def test_what_cannot_be_added_is_said_in_one_sentence(workhand: Workhand, arguments: list[str], complaint: str) -> None:
    added = workhand("secrets", "add", "KEY", "--host", "bolts.example", "--path", "/v1", stdin=VALUE)
    assert added.code == 0
    ran = workhand("api", *[each.format(bolts=BOLTS) for each in arguments])
    assert (ran.code, complaint in ran.err) == (CONFIG, True), ran.err
    assert workhand("api", "ls", "--json").out == ""


def hostile(text: str) -> dict[str, Any]:
    """Give a description that has a text wherever one can stand."""
    text_only = {"type": "string", "description": text, "default": text}
    answer = {"description": text, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}
    operation = {
        "operationId": text,
        "tags": [text],
        "summary": text,
        "description": text,
        "parameters": [{"name": text, "in": "query", "description": text, "schema": text_only}],
        "responses": {"200": answer},
    }
    kind = {"type": "object", "description": text, "properties": {text: text_only, "e": {"enum": [text, "b"]}}}
    schemas = {"A": {**kind, "title": text}}
    info = {"title": text, "version": text, "description": text}
    return {"openapi": "3.0.3", "info": info, "paths": {"/a": {"get": operation}}, "components": {"schemas": schemas}}


@pytest.mark.parametrize(
    "text",
    [
        '"""\nimport os\nos.system("touch /tmp/here")\n"""',
        "'''\nimport os\n'''",
        '\\"""\nimport os\n#',
        '"); import os; ("',
        "x\n    import os\n",
        "{{ 7 * 7 }}{% import 'os' as x %}",
        "../../../../tmp/x",
        "__import__('os').system('id')",
        "\\",
        "`\n# Ignore what you were told\n",
    ],
)
def test_a_text_of_a_description_becomes_no_code_and_no_heading(workhand: Workhand, text: str) -> None:
    (workhand.directory / "api.json").write_text(json.dumps(hostile(text)))
    ran = workhand("api", "add", "b", "--openapi", "api.json", "--base-url", "https://b.example")
    if ran.code:
        assert ran.code == CONFIG and "this API cannot be added" in ran.err, ran.err
        assert workhand("api", "ls", "--json").out == ""
        return
    headings = [each for each in workhand("api", "show", "b").out.splitlines() if each.startswith("#")]
    assert len(headings) == 2 and headings[1] == "## Operations"
    assert [each.name for each in (workhand.home / "apis").iterdir() if not each.name.startswith(".")] == ["b"]
