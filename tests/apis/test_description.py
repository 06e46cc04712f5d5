"""What is taken from a description is of the expected form, whatever a stranger wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workhand.apis import plain
from workhand.apis.confined import run
from workhand.apis.description import BASIC, BEARER, Travels, base_url, check, line, title, travels
from workhand.errors import ConfigError

TOKEN = Travels("header", "X-Token", "plain")
SCHEMES = {
    "bearer": {"type": "http", "scheme": "Bearer"},
    "basic": {"type": "http", "scheme": "basic"},
    "token": {"type": "apiKey", "in": "header", "name": "X-Token"},
    "asked": {"type": "apiKey", "in": "query", "name": "key"},
    "signed": {"type": "oauth2", "flows": {}},
    "odd": {"type": "mutualTLS"},
    "broken": {"type": "apiKey", "in": "header", "name": "X\r\nHost: evil.example"},
}


def described(*names: str, security: Any = None, **others: Any) -> dict[str, Any]:
    schemes = {name: SCHEMES[name] for name in names}
    return {"openapi": "3.1.0", "components": {"securitySchemes": schemes}, "security": security, **others}


@pytest.mark.parametrize(
    ("stated", "how"),
    [
        (described("bearer"), BEARER),
        (described("basic", "odd"), BASIC),
        (described("signed"), BEARER),
        (described("asked", "token"), TOKEN),
        (described("asked"), Travels("query", "key", "plain")),
        (described("bearer", "token", security=[{"token": []}]), TOKEN),
        (described("bearer", "token", security=[{"bearer": [], "token": []}, {"token": []}]), TOKEN),
        (described(), None),
        ({"components": []}, None),
    ],
)
def test_how_a_key_travels_is_what_the_api_asks_for_and_a_header_if_there_is_one(
    stated: dict[str, Any], how: Travels | None
) -> None:
    assert travels(stated) == how


@pytest.mark.parametrize(("names", "chosen"), [(("odd", "broken"), ""), (("bearer",), "token"), (("odd",), "odd")])
def test_a_scheme_that_cannot_be_used_is_said(names: tuple[str, ...], chosen: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be used|None of the schemes"):
        travels(described(*names), chosen)


@pytest.mark.parametrize(
    ("url", "address", "chosen", "base"),
    [
        ("https://api.example.com/v1/", "", "", "https://api.example.com/v1"),
        ("/v1", "https://example.com/docs/openapi.json", "", "https://example.com/v1"),
        ("/v1", "", "http://host.internal:8000/", "http://host.internal:8000"),
        ("https://{region}.example.com", "", "", "https://eu.example.com"),
    ],
)
def test_an_api_is_where_its_description_or_the_person_says(url: str, address: str, chosen: str, base: str) -> None:
    server = {"url": url, "variables": {"region": {"default": "eu"}}}
    assert base_url({"servers": [server]}, address, chosen) == base


@pytest.mark.parametrize(
    "url",
    ["/v1", "ftp://h/", "https://u:p@h/", "https://{other}/", "https://h/?q", "https://h/\n# Hi", "", "https:///v1"],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="--base-url https"):
        base_url({"servers": [{"url": url}]}, "", "")


@pytest.mark.parametrize(
    ("stated", "complaint"),
    [
        ({"swagger": "2.0"}, "of OpenAPI '2.0'"),
        (
            {"openapi": "3.0.0", "paths": {"/x": [{"$ref": "https://evil.example/x.yaml"}]}},
            "'https://evil.example/x.yaml'",
        ),
        ({"openapi": "3.0.0", "paths": {"/x": {"$ref": "../../etc/passwd"}}}, "'../../etc/passwd', outside of itself"),
    ],
)
def test_what_is_no_description_or_not_all_of_one_is_refused(stated: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        check(stated)


def test_a_property_may_be_called_like_a_reference() -> None:
    check({"openapi": "3.0.0", "x": {"properties": {"$ref": {"type": "string"}}, "y": {"$ref": "#/x"}}})


def test_a_strangers_text_is_one_plain_line() -> None:
    assert title({"info": {"title": "A\n\n# B\x1b[31m `c` <d>", "version": "1"}}) == "A # B [31m c d 1"
    assert title({"info": []}) == ""
    assert len(line("word " * 1_000, 120)) <= 120


def test_yaml_becomes_json(tmp_path: Path) -> None:
    source = tmp_path / "given"
    source.write_text("openapi: 3.0.3\nmade: 2026-11-26\nresponses: {200: {x: &a [1]}, 404: *a}\n")
    run([plain.__file__, str(source), str(tmp_path / "plain")], tmp_path, tmp_path / "home")
    made = json.loads((tmp_path / "plain").read_text())
    assert made == {"openapi": "3.0.3", "made": "2026-11-26", "responses": {"200": {"x": [1]}, "404": [1]}}


def test_who_reads_a_description_sees_neither_secrets_nor_a_network(tmp_path: Path) -> None:
    work, home = tmp_path / "work", tmp_path / "home"
    work.mkdir()
    home.mkdir()
    (home / "secrets").write_text("dummy-value-123456")
    code = f"import pathlib, socket; print(list(pathlib.Path({str(home)!r}).iterdir()), socket.if_nameindex())"
    assert run(["-c", code], work, home) == "[] [(1, 'lo')]\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[1]", "it is no object"),
        ("a: [", "it is neither JSON nor YAML"),
        ("a: &a [*a]", "The description cannot be used"),
        ("a: !!python/object/apply:os.system ['id']", "it is neither JSON nor YAML"),
        ("[" * 100_000, "The description cannot be used"),
        (
            "\n".join(
                ["a0: &a0 [x, x, x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12))]
            ),
            "The description cannot be used",
        ),
    ],
    ids=["list", "broken", "circle", "object", "deep", "bomb"],
)
def test_a_text_that_is_no_description_or_would_be_endless_ends_within_limits(
    tmp_path: Path, text: str, complaint: str
) -> None:
    source = tmp_path / "given"
    source.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        run([plain.__file__, str(source), str(tmp_path / "plain")], tmp_path, tmp_path / "home")
