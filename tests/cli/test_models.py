"""``workhand models``: which there are, what they cost, and whether they can be reached."""

from __future__ import annotations

import socket

import pytest

from tests.cli.command import Workhand

FILE = """
model = "anthropic:claude-opus-5"

[routes]
summarise = "openai-chat:mine"

[figures."openai-chat:mine"]
input = 1
cached = 0.25
output = 4
window_tokens = 32000
"""


def test_the_models_that_are_set_are_listed_below_the_providers(workhand: Workhand) -> None:
    workhand.settings(FILE)
    lines = workhand("models", "--json").lines
    assert [line["name"] for line in lines if "state" in line] == [
        "local",
        "anthropic:NAME",
        "openai:NAME",
        "google:NAME",
        "openai-chat:NAME",
        "script:FILE",
    ]
    known = {line["model"]: line for line in lines if "model" in line}
    assert list(known) == ["anthropic:claude-opus-5", "openai-chat:mine"]
    listed, stated = known.values()
    prices = ("input", "cached", "written", "written_long", "output")
    assert [listed[name] for name in prices] == [5.0, 0.5, 6.25, 10.0, 25.0]
    assert listed["window_tokens"] == 1_000_000 and "5 min or 1 h" in listed["cache"]
    assert [stated[name] for name in prices] == [1.0, 0.25, 1.0, None, 4.0]
    assert stated["window_tokens"] == 32_000


def test_a_key_is_never_shown(workhand: Workhand) -> None:
    ran = workhand("models", ANTHROPIC_API_KEY="sk-not-to-be-shown")
    assert "with a key" in ran.out and "sk-" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("pattern", "models"),
    [
        ("opus-4-5", ["anthropic:claude-opus-4-5"]),
        ("openai:gpt-6.1-*", ["openai:gpt-6.1-sol", "openai:gpt-6.1-terra"]),
        ("openai-chat:nobody-knows", ["openai-chat:nobody-knows"]),
    ],
)
def test_a_pattern_lists_what_it_matches(workhand: Workhand, pattern: str, models: list[str]) -> None:
    assert [line["model"] for line in workhand("models", pattern, "--json").lines] == models


def test_a_page_says_prices_cliffs_and_since_when_they_hold(workhand: Workhand) -> None:
    out = workhand("models", "gpt-6.1-sol").out
    assert "x 2 past 272,000" in out
    assert "by genai-prices 0." in out and "as documented on 2026-" in out


def test_an_unknown_price_is_said_to_be_unknown(workhand: Workhand) -> None:
    assert 'state it in [figures."openai-chat:mine"]' in workhand("models", "openai-chat:mine").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nobody-knows",), "No known model matches 'nobody-knows'"),
        (("bar:x",), "There is no model provider 'bar'"),
        (("--check",), "No model is set whose server could be asked"),
    ],
)
def test_what_cannot_be_listed_is_said_in_a_sentence(
    workhand: Workhand, arguments: tuple[str, ...], words: str
) -> None:
    ran = workhand("models", *arguments)
    assert (ran.code, words in ran.err) == (3, True)


def test_a_server_that_cannot_be_reached_is_named(workhand: Workhand) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1beta"
        (line,) = workhand("models", "google:gemini-x", "--check", "--json", GOOGLE_GEMINI_BASE_URL=url).lines
    assert line["reached"].startswith(f"not reachable: The server at '{url}' failed")
