"""What a person sets: the file, the environment that wins over it, and what is wrong with either."""

from __future__ import annotations

from pathlib import Path

import pytest

from workhand.cli.settings import Settings, load
from workhand.core.policy import Rules
from workhand.errors import ConfigError
from workhand.models.endpoints import (
    AnthropicEndpoint,
    Endpoints,
    GoogleEndpoint,
    OpenAIChatEndpoint,
    OpenAIEndpoint,
)
from workhand.models.figures import Figures

FILE = """
model = "anthropic:one"

[routes]
act = ["anthropic:one", "openai:two"]
summarise = "google:three"
long_context = "google:four"

[anthropic]
api_key = "sk-file"
cloud = "bedrock"
window_tokens = 200000
long_lived_cache = true

[google]
base_url = "http://127.0.0.1:9/v1beta"

[openai-chat]
servers = ["http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"]
masks = "vllm"
stream = false

[figures."openai-chat:mine"]
input = 0.5
output = 2
window_tokens = 32000

[context]
theta = 0.5
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def read(file: Path, text: str, **environment: str) -> Settings:
    file.write_text(text)
    return load({"WORKHAND_CONFIG": str(file), "HOME": "/home/somebody", **environment})


def test_everything_can_be_stated_in_the_file(file: Path) -> None:
    settings = read(file, FILE)
    assert settings.model == "anthropic:one"
    assert settings.routes == {
        "act": ("anthropic:one", "openai:two"),
        "summarise": ("google:three",),
        "long_context": ("google:four",),
    }
    assert settings.endpoints == Endpoints(
        anthropic=AnthropicEndpoint("", "sk-file", "bedrock", window_tokens=200_000, long_lived_cache=True),
        google=GoogleEndpoint("http://127.0.0.1:9/v1beta"),
        openai_chat=OpenAIChatEndpoint(
            servers=("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"), masks="vllm", stream=False
        ),
    )
    assert settings.figures == {"openai-chat:mine": Figures(input=0.5, output=2.0, window_tokens=32_000)}
    assert settings.context == Rules(theta=0.5)


def test_without_a_file_there_are_defaults() -> None:
    settings = load({"HOME": "/home/somebody", "XDG_CONFIG_HOME": "/nowhere"})
    assert (settings.model, settings.routes, settings.endpoints) == ("", {}, Endpoints())


@pytest.mark.parametrize(
    ("environment", "endpoints"),
    [
        ({"ANTHROPIC_API_KEY": "k"}, Endpoints(anthropic=AnthropicEndpoint(api_key="k"))),
        ({"ANTHROPIC_BASE_URL": "http://h"}, Endpoints(anthropic=AnthropicEndpoint("http://h"))),
        (
            {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://h/v1"},
            Endpoints(
                openai=OpenAIEndpoint("http://h/v1", "k"), openai_chat=OpenAIChatEndpoint("http://h/v1", api_key="k")
            ),
        ),
        ({"GEMINI_API_KEY": "k", "GOOGLE_API_KEY": "other"}, Endpoints(google=GoogleEndpoint(api_key="k"))),
        ({"GOOGLE_API_KEY": "k"}, Endpoints(google=GoogleEndpoint(api_key="k"))),
        ({"GOOGLE_GEMINI_BASE_URL": "http://h"}, Endpoints(google=GoogleEndpoint("http://h"))),
    ],
)
def test_each_provider_has_its_own_variables(file: Path, environment: dict[str, str], endpoints: Endpoints) -> None:
    assert read(file, "", **environment).endpoints == endpoints


def test_the_environment_wins_over_the_file(file: Path) -> None:
    settings = read(file, FILE, ANTHROPIC_API_KEY="sk-environment", WORKHAND_MODEL="local")
    assert settings.endpoints.anthropic.api_key == "sk-environment"
    assert settings.model == "local"


def test_the_first_choice_to_act_is_the_model_where_none_is_named(file: Path) -> None:
    assert read(file, '[routes]\nact = ["openai:two", "local"]').model == "openai:two"


def test_no_key_is_shown_by_a_value(file: Path) -> None:
    assert "sk-" not in repr(read(file, FILE, OPENAI_API_KEY="sk-o", GEMINI_API_KEY="sk-g"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[anthropic]\nbase = 1", "no key 'anthropic.base'; there are base_url, api_key, cloud"),
        ("[openai-chat]\nbase = 1", "no key 'openai-chat.base'; there are base_url, servers"),
        ("[figures.x]\nprice = 1", "no key 'figures.x.price'; there are input, cached, written, output"),
        ("[context]\nbeta = 1", "no key 'context.beta'; there are gate"),
        ('passphrase = "x"', "has a passphrase"),
        (
            "colour = 1",
            "no key 'colour'; there are model, home, cache, routes, figures, context, machine, isolation, network,",
        ),
        ('[routes]\nfly = "local"', "routes.fly: input should be 'act', 'plan'"),
        ("[routes]\nact = 1", "routes.act: input should be a valid tuple"),
        ('[anthropic]\ncloud = "nine"', "anthropic.cloud: input should be '', 'aws', 'bedrock'"),
        ("anthropic = 1", "anthropic: input should be a dictionary or an instance of anthropicendpoint"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(file: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(file, text)
    assert words in str(raised.value) and str(file) in str(raised.value)
