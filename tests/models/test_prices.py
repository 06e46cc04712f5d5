"""What calls cost: by hand for one model of each kind of price, and against the price list for all of them.

The list is pinned to 0.2; where a release changes a price, the arithmetic here changes with it.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from datetime import UTC, datetime

import genai_prices
import pytest
from genai_prices.data import providers
from genai_prices.data_snapshot import DataSnapshot, set_custom_snapshot
from hypothesis import given
from hypothesis import strategies as st

from tests.models.fault_server import HELLO, fault_server
from tests.models.toolset import ALL, head, prompt, said, unwatched
from workhand.core.events import Usage
from workhand.core.policy import Prices
from workhand.models.figures import Figures
from workhand.models.hosted import HostedModel
from workhand.models.prices import cost_usd, mechanics, price_list, relative, window_tokens
from workhand.models.wire.dialect import Server
from workhand.models.wire.openai_chat import OpenAIChat

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()  # off-peak at DeepSeek


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def claude(model: str) -> Server:
    return Server("anthropic", "", model)


def chat(base_url: str, model: str) -> Server:
    return Server("openai-chat", base_url, model)


def used(fresh: int, cached: int = 0, short: int = 0, long: int = 0, output: int = 0) -> Usage:
    """Give the usage of a call by what is priced apart; a third of its output was reasoned."""
    written = short + long
    return Usage(fresh + cached + written, cached, written, output, output // 3, written_long_tokens=long)


BY_HAND = {
    "claude-sonnet-4-5 below its cliff": (
        claude("claude-sonnet-4-5"),
        used(30_000, 40_000, 20_000, 10_000, 2_000),
        30_000 * 3 + 40_000 * 0.30 + 20_000 * 3.75 + 10_000 * 6 + 2_000 * 15,  # 0.267 USD
    ),
    "claude-sonnet-4-5 past it, by what was read and written": (
        claude("claude-sonnet-4-5"),
        used(1, 150_000, 40_000, 10_000, 2_000),
        1 * 6 + 150_000 * 0.60 + 40_000 * 7.50 + 10_000 * 12 + 2_000 * 22.50,  # 0.555006 USD
    ),
    "claude-opus-5 is flat": (
        claude("claude-opus-5"),
        used(5_000, 700_000, 20_000, 30_000, 4_000),
        5_000 * 5 + 700_000 * 0.50 + 20_000 * 6.25 + 30_000 * 10 + 4_000 * 25,  # 0.90 USD
    ),
    "claude-haiku-5-5 at its cliff": (
        claude("claude-haiku-5-5"),
        used(0, 90_000, 10_000, 0, 1_000),
        90_000 * 0.01 + 10_000 * 0.125 + 1_000 * 0.50,
    ),
    "claude-haiku-5-5 one token past it": (
        claude("claude-haiku-5-5"),
        used(1, 90_000, 5_000, 5_000, 1_000),
        1 * 0.50 + 90_000 * 0.05 + 5_000 * 0.625 + 5_000 * 1.0 + 1_000 * 2.50,
    ),
    "gpt-6.1-sol below its cliff": (
        Server("openai", "", "gpt-6.1-sol"),
        used(2_000, 260_000, 10_000, 0, 3_000),
        2_000 * 2 + 260_000 * 0.10 + 10_000 * 2.50 + 3_000 * 10,  # 0.085 USD
    ),
    "gpt-6.1-sol past it": (
        Server("openai", "", "gpt-6.1-sol"),
        used(2_000, 260_000, 10_001, 0, 3_000),
        2_000 * 4 + 260_000 * 0.20 + 10_001 * 5.00 + 3_000 * 15,  # 0.155005 USD
    ),
    "gpt-5.5 has no price of writing": (
        Server("openai", "https://api.openai.com/v1", "gpt-5.5"),
        used(1_000, 9_000, 500, 0, 100),
        1_000 * 5 + 9_000 * 0.50 + 500 * 5 + 100 * 30,
    ),
    "claude-2, which was never cached": (claude("claude-2"), used(10, 0, 20, 0, 30), 10 * 8 + 20 * 8 + 30 * 24),
    "gpt-4o-mini": (
        chat("https://api.openai.com/v1", "gpt-4o-mini"),
        used(600_000, 400_000, 0, 0, 100_000),
        600_000 * 0.15 + 400_000 * 0.075 + 100_000 * 0.60,
    ),
    "gemini-3.8-flash": (
        Server("google", "https://generativelanguage.googleapis.com/v1beta", "gemini-3.8-flash"),
        used(20_000, 80_000, 0, 0, 5_000),
        20_000 * 0.75 + 80_000 * 0.075 + 5_000 * 3.75,
    ),
    "deepseek-flash off-peak": (
        chat("https://api.deepseek.com", "deepseek-flash"),
        used(10_000, 990_000, 0, 0, 1_000),
        10_000 * 0.15 + 990_000 * 0.003 + 1_000 * 0.60,
    ),
    "kimi-k3 writes for an hour": (
        chat("https://api.moonshot.ai/v1", "kimi-k3"),
        used(1_000, 50_000, 2_000, 3_000, 700),
        1_000 * 3 + 50_000 * 0.30 + 2_000 * 3 + 3_000 * 6 + 700 * 15,
    ),
    "grok-4.7 from 200,000 on": (
        chat("https://api.x.ai/v1", "grok-4.7"),
        used(100_000, 100_000, 0, 0, 1_000),
        100_000 * 4 + 100_000 * 1.00 + 1_000 * 12,
    ),
    "GLM-5.3 behind the other format's address": (
        Server("anthropic", "https://api.z.ai/api/anthropic", "glm-5.3"),
        used(1_000, 2_000, 0, 0, 300),
        1_000 * 1.4 + 2_000 * 0.26 + 300 * 4.4,
    ),
    "Claude through a router": (
        chat("https://openrouter.ai/api/v1", "anthropic/claude-opus-5.5"),
        used(1_000, 2_000, 500, 0, 300),
        1_000 * 4 + 2_000 * 0.20 + 500 * 5 + 300 * 20,
    ),
    "Claude behind a gateway that nobody knows": (
        Server("anthropic", "http://127.0.0.1:4000", "claude-opus-5-5"),
        used(1_000, 2_000, 500, 0, 300),
        1_000 * 4 + 2_000 * 0.20 + 500 * 5 + 300 * 20,
    ),
    "a model by its name alone": (
        Server("", "", "claude-opus-5-5"),
        used(1_000),
        1_000 * 4,
    ),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_a_call_costs_what_one_reckons_by_hand(case: str) -> None:
    server, usage, millionths = BY_HAND[case]
    assert cost_usd(server, usage, at=NOON) == pytest.approx(millionths / 1_000_000, rel=1e-12)


LISTED = [
    Server("openai-chat", provider.api_pattern.replace("\\", ""), model.id)
    for provider in providers
    if provider.id in ("anthropic", "openai", "deepseek", "moonshotai", "x-ai", "zai")
    for model in provider.models
    if provider.find_model(model.id) is model  # not all of their ids are names
    and (price := model.get_prices(datetime.fromtimestamp(NOON, UTC))).input_mtok
    and price.output_mtok
]


@given(
    server=st.sampled_from(LISTED),
    counts=st.lists(st.integers(0, 400_000), min_size=4, max_size=4),
    days=st.integers(-400, 100),
)
def test_every_listed_model_costs_what_the_list_says(server: Server, counts: list[int], days: int) -> None:
    fresh, cached, written, output = counts
    usage, when = used(fresh, cached, written, 0, output), NOON + days * 86_400
    theirs = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=fresh + cached + written,
            cache_read_tokens=cached,
            cache_write_tokens=written,
            output_tokens=output,
        ),
        server.model,
        provider_api_url=server.base_url,
        genai_request_timestamp=datetime.fromtimestamp(when, UTC),
    )
    assert cost_usd(server, usage, at=when) == pytest.approx(float(theirs.total_price), rel=1e-12)


CHANGES = {
    "at a date, before": ("google", "gemini-4-argon", "2026-11-30T23:59:59", 2.0),
    "at a date, from then on": ("google", "gemini-4-argon", "2026-12-01T00:00:00", 4.0),
    "once a year, before": ("google", "gemini-3.8-flash", "2026-12-31T23:59:59", 0.75),
    "once a year, from then on": ("google", "gemini-3.8-flash", "2027-01-01T00:00:00", 1.5),
    "with the hour, before": ("deepseek", "deepseek-flash", "2026-11-25T00:59:59", 0.15),
    "with the hour, from then on": ("deepseek", "deepseek-flash", "2026-11-25T01:00:00", 0.30),
    "with the hour, between": ("deepseek", "deepseek-flash", "2026-11-25T05:00:00", 0.15),
    "in the past": ("openai", "gpt-5.6-sol", "2026-08-20T12:00:00", 5.0),
    "in the past, from then on": ("openai", "gpt-5.6-sol", "2026-08-21T00:00:00", 4.0),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_price_that_changes_counts_from_its_moment_on(case: str) -> None:
    provider, model, moment, dollars = CHANGES[case]
    server = Server(provider, "https://api.deepseek.com" if provider == "deepseek" else "", model)
    assert cost_usd(server, Usage(100_000), at=at(moment)) == pytest.approx(dollars / 10)


UNKNOWN = {
    "a model": (claude("claude-of-tomorrow"), Usage(1)),
    "an address": (chat("http://127.0.0.1:8000/v1", "gpt-6.1-sol"), Usage(1)),
    "a model of a known address, whatever the format": (
        Server("anthropic", "https://api.deepseek.com/anthropic", "claude-opus-5"),
        Usage(1),
    ),
    "a name alone": (Server("", "", "no-such-model"), Usage(1)),
    "a listed model without prices": (Server("google", "", "gemma-4-31b-it"), Usage(1)),
    "output of a model that has none": (Server("openai", "", "text-embedding-3-small"), Usage(1, output_tokens=1)),
    "writing for twelve hours": (Server("openai", "", "gpt-6.1-sol"), used(1, long=1)),
    "more read than sent": (claude("claude-opus-5"), Usage(10, cached_tokens=11)),
    "more written for long than written": (claude("claude-opus-5"), Usage(10, written_tokens=1, written_long_tokens=2)),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_an_unknown_price_is_none_and_never_zero(case: str) -> None:
    server, usage = UNKNOWN[case]
    assert cost_usd(server, usage, at=NOON) is None


OWN = chat("http://127.0.0.1:8000/v1", "my-model")
NEW = claude("claude-next-7")
QWEN = chat("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "qwen3-max")
PLAIN = Figures(input=2.0, output=8.0)
STATED = {
    "of an own model, what is cached and written as other input": (
        OWN,
        PLAIN,
        used(10, 20, 30, 0, 40),
        60 * 2 + 40 * 8,
    ),
    "of an own model, each price": (
        OWN,
        Figures(input=2.0, cached=0.5, written=3.0, output=8.0),
        used(10, 20, 30, 0, 40),
        10 * 2 + 20 * 0.5 + 30 * 3 + 40 * 8,
    ),
    "of an own model that costs nothing": (OWN, Figures(input=0.0, output=0.0), used(10, 20, 30, 0, 40), 0),
    "of a model that is not listed yet, writing by the mechanics": (
        NEW,
        PLAIN,
        used(10, 20, 30, 40, 50),
        30 * 2 + 30 * 2.5 + 40 * 4 + 50 * 8,
    ),
    "of a listed model, instead of one price": (
        claude("claude-opus-5-5"),
        Figures(cached=0.1),
        used(10, 20, 30, 40, 50),
        10 * 4 + 20 * 0.1 + 30 * 5 + 40 * 8 + 50 * 20,
    ),
    "of a listed model, up its cliff": (
        Server("openai", "", "gpt-6.1-sol"),
        Figures(input=1.0, cached=0.05, output=6.0),
        used(200_000, 100_000, 0, 0, 10),
        200_000 * 2 + 100_000 * 0.1 + 10 * 9,
    ),
    "of a listed model without a cliff, though its like have one": (
        Server("openai", "", "gpt-5.6-cyber"),
        Figures(input=1.0),
        used(300_000, 0, 10, 0, 10),
        300_000 * 1 + 10 * 15.625 + 10 * 75,
    ),
    "of a model whose cliffs only the mechanics have, the first": (
        QWEN,
        PLAIN,
        used(32_001, output=10),
        32_001 * 4 + 160,
    ),
    "of the same, the second": (QWEN, PLAIN, used(128_001, output=10), 128_001 * 5 + 200),
}


@pytest.mark.parametrize("case", STATED)
def test_stated_figures_win(case: str) -> None:
    server, figures, usage, millionths = STATED[case]
    assert cost_usd(server, usage, at=NOON, figures=figures) == pytest.approx(millionths / 1_000_000, rel=1e-12)


def test_a_price_that_is_stated_in_part_is_unknown_for_the_rest() -> None:
    assert cost_usd(OWN, used(10), at=NOON, figures=Figures(input=2.0)) == pytest.approx(20 / 1_000_000)
    assert cost_usd(OWN, used(10, output=1), at=NOON, figures=Figures(input=2.0)) is None
    assert cost_usd(OWN, used(10), at=NOON, figures=Figures(output=2.0)) is None


RELATIVE = {
    "claude-opus-5-5": Prices(read=0.05, write=1.25, output=5.0, lifetime_s=300.0),
    "claude-haiku-5-5": Prices(0.1, 1.25, 5.0, 300.0, cliff_tokens=100_000, cliff_factor=5.0),
    "gpt-6.1-sol": Prices(0.05, 1.25, 5.0, 1_800.0, cliff_tokens=272_000, cliff_factor=2.0),
    "gpt-4o-mini": Prices(0.5, 1.0, 4.0, 300.0),
    "gemini-4-argon": Prices(0.05, 1.0, 5.0, 300.0),
    "deepseek-flash": Prices(0.02, 1.0, 4.0, 3_600.0),
    "grok-4.7": Prices(0.25, 1.0, 3.0, 300.0, cliff_tokens=199_999, cliff_factor=2.0),
}


@pytest.mark.parametrize("model", RELATIVE)
def test_prices_are_given_relative_to_uncached_input(model: str) -> None:
    found = relative(Server("", "", model), at=NOON)
    assert (found, repr(found)) == (RELATIVE[model], repr(RELATIVE[model]))  # and are of the same types in a log


def test_a_longer_lifetime_is_dearer_to_write() -> None:
    dear = Prices(read=0.05, write=2.0, output=5.0, lifetime_s=3_600.0)
    assert relative(claude("claude-opus-5-5"), at=NOON, long_lived=True) == dear
    assert relative(Server("openai", "", "gpt-6.1-sol"), at=NOON, long_lived=True) is None  # nobody states that price


def test_stated_figures_win_in_relative_prices() -> None:
    figures = Figures(input=2.0, cached=0.5, written=3.0, output=8.0, lifetime_s=60.0)
    assert relative(OWN, at=NOON, figures=figures) == Prices(read=0.25, write=1.5, output=4.0, lifetime_s=60.0)
    assert relative(OWN, at=NOON) is None
    assert relative(OWN, at=NOON, figures=Figures(lifetime_s=60.0)) == Prices(lifetime_s=60.0)
    assert relative(OWN, at=NOON, figures=Figures(input=0.0, output=0.0)) is None
    assert relative(QWEN, at=NOON, figures=PLAIN) == Prices(1.0, 1.0, 4.0, 300.0, cliff_tokens=32_000, cliff_factor=2.0)


WINDOWS = {
    claude("claude-opus-5-5"): 1_000_000,
    claude("claude-haiku-4-5"): 200_000,
    Server("google", "", "gemini-2.5-pro"): 1_048_576,  # by the mechanics: the list has none
    QWEN: 262_144,
    OWN: None,
}


@pytest.mark.parametrize("server", WINDOWS)
def test_a_window_is_listed(server: Server) -> None:
    assert window_tokens(server) == WINDOWS[server]
    assert window_tokens(server, Figures(window_tokens=7)) == 7


def test_mechanics_are_those_of_who_serves_a_model() -> None:
    keeps = {
        each: known and known.lifetime_s
        for each in (
            claude("claude-opus-5"),
            Server("", "", "gpt-6-sol"),
            chat("https://api.moonshot.ai/v1", "kimi-k3"),
        )
        for known in (mechanics(each),)
    }
    assert list(keeps.values()) == [300, 1_800, 300]
    assert mechanics(chat("https://openrouter.ai/api/v1", "anthropic/claude-opus-5.5")) is None
    assert mechanics(OWN) is None


@pytest.fixture
def updated() -> Iterator[None]:
    set_custom_snapshot(
        DataSnapshot(providers=[], from_auto_update=True, timestamp=datetime(2026, 11, 30, 8, tzinfo=UTC))
    )
    yield
    set_custom_snapshot(None)


def test_the_price_list_is_named_by_its_version() -> None:
    assert price_list() == f"genai-prices {importlib.metadata.version('genai-prices')}"


@pytest.mark.usefixtures("updated")
def test_a_price_list_that_was_updated_says_when() -> None:
    assert price_list().endswith(", updated 2026-11-30")
    assert cost_usd(claude("claude-opus-5"), Usage(1), at=NOON) is None  # it is this list that counts


@pytest.mark.anyio
async def test_an_answer_carries_its_price_at_stated_figures() -> None:
    figures = Figures(input=2.0, cached=0.5, written=3.0, output=8.0)
    async with fault_server(HELLO) as server:
        wire = OpenAIChat(Server("openai-chat", server.base_url, "my-model"))
        async with HostedModel(wire, figures=figures) as model:
            answer = await model.answer(prompt(*head(), said("Hello?")), ALL, session="s", watch=unwatched)
    assert answer.usage.cost_usd == pytest.approx((5 * 2 + 100 * 0.5 + 15 * 3 + 9 * 8) / 1_000_000)
