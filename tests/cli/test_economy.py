"""What the command line puts into the policy of a new session, by the model that it names."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from workhand.cli.session.wiring import new_policy
from workhand.cli.settings import Settings
from workhand.core.policy import Choice, Limits, Policy, Rules
from workhand.errors import ConfigError
from workhand.models.endpoints import AnthropicEndpoint, Endpoints
from workhand.models.figures import Figures
from workhand.models.router import Router
from workhand.models.script import ScriptModel


def policy(settings: Settings, name: str) -> Policy:
    """Give the policy of a new session; no server tells its window."""

    async def chosen() -> Policy:
        async with Router(lambda asked: ScriptModel(asked, ()), name) as router:
            return await new_policy(settings, name, router, seed="s", limits=Limits(), steps_given=False)

    return anyio.run(chosen)


@pytest.mark.parametrize(("name", "summaries"), [("local", False), ("openai-chat:some-model", True)])
def test_only_the_local_model_is_never_asked_for_a_summary(tmp_path: Path, name: str, summaries: bool) -> None:
    rules = policy(Settings(home=tmp_path, context=Rules(theta=2.0)), name).rules
    assert rules.summaries is summaries
    assert rules.theta == 2.0


def test_a_window_is_that_which_is_known_unless_a_smaller_one_was_chosen(tmp_path: Path) -> None:
    assert policy(Settings(home=tmp_path), "anthropic:claude-opus-5").window.hard == 1_000_000
    smaller = Endpoints(anthropic=AnthropicEndpoint(window_tokens=90_000))
    assert policy(Settings(home=tmp_path, endpoints=smaller), "anthropic:claude-opus-5").window.hard == 90_000


def test_what_is_stated_of_an_unknown_model_counts(tmp_path: Path) -> None:
    figures = {
        "openai-chat:mine": Figures(input=1.0, cached=0.5, output=3.0, window_tokens=40_000, pre_rot_tokens=30_000)
    }
    chosen = policy(Settings(home=tmp_path, figures=figures), "openai-chat:mine")
    assert (chosen.window.hard, chosen.window.pre_rot) == (40_000, 30_000)
    assert (chosen.prices.read, chosen.prices.output) == (0.5, 3.0)


@pytest.mark.parametrize(
    ("name", "warned"), [("openai-chat:mine", True), ("anthropic:claude-opus-5", False), ("local", False)]
)
def test_a_model_whose_price_is_unknown_works_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, warned: bool
) -> None:
    policy(Settings(home=tmp_path), name)
    said = capsys.readouterr().err
    assert (f'state it in [figures."{name}"]' in said) is warned


@pytest.mark.parametrize(("long_lived", "write", "lifetime_s"), [(False, 1.25, 300.0), (True, 2.0, 3_600.0)])
def test_a_longer_lifetime_has_its_own_price(tmp_path: Path, long_lived: bool, write: float, lifetime_s: float) -> None:
    endpoints = Endpoints(anthropic=AnthropicEndpoint(long_lived_cache=long_lived))
    prices = policy(Settings(home=tmp_path, endpoints=endpoints), "anthropic:claude-sonnet-4-5").prices
    assert (prices.write, prices.lifetime_s) == (write, lifetime_s)


def test_routes_have_the_window_and_the_prices_of_each_model(tmp_path: Path) -> None:
    name = "anthropic:claude-opus-5"
    settings = Settings(home=tmp_path, routes={"act": (name, "openai:gpt-5"), "summarise": ("local",)})
    act, summarise = policy(settings, name).routes
    assert (act.purpose, act.choices[0], act.choices[1].model) == ("act", Choice(name, sees=True), "openai:gpt-5")
    other = act.choices[1]
    assert other.window is not None and other.window.hard == 400_000
    assert other.prices is not None and other.prices.read == pytest.approx(0.1)
    assert summarise.choices[0].model == "local"


def test_fallbacks_of_another_model_do_not_count(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, routes={"act": ("local", "openai:gpt-5"), "code": ("openai:gpt-5",)})
    assert [route.purpose for route in policy(settings, "anthropic:claude-opus-5").routes] == ["code"]


def test_a_route_to_nowhere_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no model provider 'nobody'"):
        policy(Settings(home=tmp_path, routes={"summarise": ("nobody:x",)}), "local")
