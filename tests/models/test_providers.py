"""Names of models, and what is made of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workhand.errors import ConfigError
from workhand.models.endpoints import (
    GOOGLE_URL,
    OPENAI_URL,
    AnthropicEndpoint,
    Endpoints,
    GoogleEndpoint,
    OpenAIChatEndpoint,
    OpenAIEndpoint,
)
from workhand.models.hosted import HostedModel
from workhand.models.local import LocalModel
from workhand.models.pool import Pool
from workhand.models.providers import ModelSettings, Provider, build, parse, server_of
from workhand.models.script import ScriptModel
from workhand.models.wire.dialect import Server

KEYED = Endpoints(anthropic=AnthropicEndpoint(api_key="sk-secret"))
NAMES = ["local", "anthropic:a", "openai:b", "google:c", "openai-chat:org/some-model:free", "script:/tmp/a b.jsonl"]


@pytest.mark.parametrize("text", NAMES)
def test_a_provider_is_read_and_written(text: str) -> None:
    assert str(parse(text)) == text


BAD = {
    "gpt": "local, anthropic:NAME, openai:NAME, google:NAME, openai-chat:NAME and script:FILE",
    "": "there are local, anthropic:NAME",
    "google": "google:NAME",
    "openai-chat": "openai-chat:NAME",
    "script:": "script:FILE",
    "local:other": "write local",
}


@pytest.mark.parametrize("text", BAD)
def test_an_unknown_provider_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(ConfigError, match=BAD[text]):
        parse(text)


def test_each_provider_makes_its_model(tmp_path: Path, model_file: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x"}')
    settings = ModelSettings(cache=tmp_path, endpoints=KEYED)
    assert isinstance(build(Provider("script", str(tmp_path / "a.jsonl")), settings), ScriptModel)
    for name in NAMES[1:5]:
        assert isinstance(build(parse(name), settings), HostedModel)
    (tmp_path / model_file.name).symlink_to(model_file)
    assert isinstance(build(parse("local"), settings), LocalModel)
    assert "sk-secret" not in repr(settings)


def test_several_servers_of_one_model_are_a_pool(tmp_path: Path) -> None:
    servers = ("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1")
    endpoints = Endpoints(openai_chat=OpenAIChatEndpoint(servers=servers))
    pool = build(parse("openai-chat:some"), ModelSettings(cache=tmp_path, endpoints=endpoints))
    assert isinstance(pool, Pool) and sorted(pool.order("s")) == sorted(servers)


@pytest.mark.parametrize("name", ["anthropic:a", "openai:b", "google:c", "openai-chat:d"])
def test_what_is_no_address_is_refused(tmp_path: Path, name: str) -> None:
    wrong = Endpoints(
        AnthropicEndpoint("localhost"),
        OpenAIEndpoint("localhost"),
        GoogleEndpoint("localhost"),
        OpenAIChatEndpoint("localhost"),
    )
    with pytest.raises(ConfigError, match=f"{name} needs `base_url`, such as https://HOST/v1, not 'localhost'"):
        build(parse(name), ModelSettings(cache=tmp_path, endpoints=wrong))


@pytest.mark.parametrize(
    ("name", "server"),
    [
        ("local", None),
        ("anthropic:a", Server("anthropic", "", "a", "sk-secret")),
        ("google:c", Server("google", GOOGLE_URL, "c")),
        ("openai-chat:d", Server("openai-chat", OPENAI_URL, "d")),
    ],
)
def test_a_model_is_served_where_its_settings_say(name: str, server: Server | None) -> None:
    assert server_of(parse(name), KEYED) == server


def test_knowing_the_providers_loads_nothing_heavy() -> None:
    script = "import sys, workhand.models.providers; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert {"httpx2", "xllamacpp", "genai_prices", "pydantic"}.isdisjoint(loaded)
