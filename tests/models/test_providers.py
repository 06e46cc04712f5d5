"""Names of models, and what is made of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workhand.core.events import Usage
from workhand.errors import ConfigError
from workhand.models.hosted import HostedModel
from workhand.models.local import LocalModel
from workhand.models.prices import cost_usd
from workhand.models.providers import ModelSettings, Provider, build, parse
from workhand.models.script import ScriptModel


@pytest.mark.parametrize("text", ["local", "openai-chat:org/some-model:free", "script:/tmp/a b.jsonl"])
def test_a_provider_is_read_and_written(text: str) -> None:
    assert str(parse(text)) == text


BAD = {
    "gpt": "local, openai-chat:NAME and script:FILE",
    "": "local, openai-chat:NAME and script:FILE",
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
    settings = ModelSettings(cache=tmp_path, base_url="https://api.openai.com/v1", api_key="sk-secret")
    assert isinstance(build(Provider("script", str(tmp_path / "a.jsonl")), settings), ScriptModel)
    assert isinstance(build(parse("openai-chat:some"), settings), HostedModel)
    (tmp_path / model_file.name).symlink_to(model_file)
    assert isinstance(build(parse("local"), settings), LocalModel)
    assert "sk-secret" not in repr(settings)


def test_a_server_without_an_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="base_url"):
        build(parse("openai-chat:some"), ModelSettings(cache=tmp_path, base_url="localhost:8080"))


def test_knowing_the_providers_loads_nothing_heavy() -> None:
    script = "import sys, workhand.models.providers; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert {"httpx2", "xllamacpp", "genai_prices", "pydantic"}.isdisjoint(loaded)


def test_a_known_price_counts_cached_tokens_apart_and_an_unknown_one_is_none() -> None:
    usage = Usage(input_tokens=1_000_000, cached_tokens=400_000, output_tokens=100_000)
    assert cost_usd("gpt-4o-mini", "https://api.openai.com/v1", usage) == pytest.approx(
        0.6 * 0.15 + 0.4 * 0.075 + 0.1 * 0.60
    )
    assert cost_usd("no-such-model", "http://127.0.0.1:1/v1", usage) is None
