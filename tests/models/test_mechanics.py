"""The file of mechanics, line by line, and what is found in it."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from importlib.resources import files
from typing import Any

import pytest
from pydantic import TypeAdapter

from workhand.core.policy import PRE_ROT_TOKENS
from workhand.models.mechanics import FILE, Cliff, Mechanics, mechanics_of, provider_at

KIND = TypeAdapter(Mechanics)
TABLES = tomllib.loads(files("workhand.models").joinpath(FILE).read_text("utf-8"))


def stem(pattern: str) -> str:
    """Give the shortest name that a pattern matches."""
    return re.sub(r"\[(.).*?\]", r"\1", pattern).replace("*", "")


def stated(provider: str, number: int) -> dict[str, Any]:
    """Give what the file states of a provider and one of its groups of models together."""
    table = TABLES[provider]
    whole = {**table, **table["models"][number]}
    return {key: value for key, value in whole.items() if key not in ("hosts", "models", "names")}


GROUPS = [(provider, number) for provider in TABLES for number in range(len(TABLES[provider]["models"]))]


@pytest.mark.parametrize(("provider", "number"), GROUPS)
def test_every_group_of_models_is_found_by_each_of_its_names(provider: str, number: int) -> None:
    cliffs = tuple(Cliff(**each) for each in stated(provider, number).get("cliffs", ()))
    expected = Mechanics(**{**stated(provider, number), "cliffs": cliffs})
    names = TABLES[provider]["models"][number]["names"]
    assert {name: mechanics_of(provider, stem(name)) for name in names} == dict.fromkeys(names, expected)


@pytest.mark.parametrize(("provider", "number"), GROUPS)
def test_every_value_has_its_type_and_none_contradicts_another(provider: str, number: int) -> None:
    found = mechanics_of(provider, stem(TABLES[provider]["models"][number]["names"][0]))
    assert found is not None
    assert KIND.validate_json(KIND.dump_json(found), strict=True) == found
    assert date(2026, 11, 1) <= found.read
    assert found.implicit or found.breakpoints_max
    assert found.lookback_blocks is None or found.breakpoints_max
    assert found.lifetime_long_s is None or (found.lifetime_s or 0) < found.lifetime_long_s
    assert found.write_long is None or (found.lifetime_long_s and found.write <= found.write_long)
    assert [each.tokens for each in found.cliffs] == sorted({each.tokens for each in found.cliffs})
    assert all(each.tokens > 0 and each.input > 1 and each.output > 1 for each in found.cliffs)


KNOWN = {
    ("anthropic", "claude-opus-5-5"): (512, 20, 4, False, 300, 3_600, 1.25, 2.0),
    ("anthropic", "us.anthropic.claude-opus-4-7-v1:0"): (2_048, 20, 4, False, 300, 3_600, 1.25, 2.0),
    ("anthropic", "claude-haiku-4-5-20251001"): (4_096, 20, 4, False, 300, 3_600, 1.25, 2.0),
    ("anthropic", "claude-sonnet-5"): (1_024, 20, 4, False, 300, 3_600, 1.25, 2.0),
    ("openai", "gpt-6.1-sol"): (1_024, None, 4, True, 1_800, 43_200, 1.25, None),
    ("openai", "gpt-5.5-pro"): (1_024, None, 0, True, 86_400, None, 1.0, None),
    ("openai", "gpt-4o-mini"): (1_024, None, 0, True, 300, 86_400, 1.0, 1.0),
    ("google", "models/gemini-3.8-flash"): (4_096, None, 0, True, None, None, 1.0, None),
    ("deepseek", "deepseek-flash"): (None, None, 0, True, 3_600, None, 1.0, None),
    ("moonshotai", "kimi-k3.1-pro"): (None, None, 0, True, 300, 3_600, 1.0, 2.0),
    ("zai", "GLM-5.3"): (None, None, 0, True, None, None, 1.0, None),
    ("vllm", "org/any-model"): (16, None, 0, True, None, None, 1.0, None),
}


@pytest.mark.parametrize(("provider", "model"), KNOWN)
def test_caches_work_as_documented(provider: str, model: str) -> None:
    found = mechanics_of(provider, model)
    assert found is not None
    marks = (found.minimum_tokens, found.lookback_blocks, found.breakpoints_max, found.implicit)
    kept = (found.lifetime_s, found.lifetime_long_s, found.write, found.write_long)
    assert (*marks, *kept) == KNOWN[provider, model]


STEPS = {
    ("openai", "gpt-6-sol"): (1, (Cliff(tokens=272_000, input=2, output=1.5),), None),
    ("openai", "gpt-5.1"): (128, (), None),
    ("anthropic", "claude-haiku-5-5"): (None, (Cliff(tokens=100_000, input=5, output=5),), None),
    ("x-ai", "grok-4.7"): (128, (Cliff(tokens=199_999, input=2, output=2),), None),
    ("x-ai", "grok-4-fast-reasoning"): (128, (), None),
    ("google", "gemini-2.5-pro"): (None, (), 1_048_576),
    ("qwen", "qwen3-max-2026-01-23"): (
        None,
        (Cliff(tokens=32_000, input=2, output=2), Cliff(tokens=128_000, input=2.5, output=2.5)),
        262_144,
    ),
}


@pytest.mark.parametrize(("provider", "model"), STEPS)
def test_lengths_are_as_documented(provider: str, model: str) -> None:
    found = mechanics_of(provider, model)
    assert found is not None
    assert (found.granularity_tokens, found.cliffs, found.window_tokens) == STEPS[provider, model]


def test_quality_falls_where_it_does_by_default_since_nobody_publishes_it() -> None:
    found = [
        mechanics_of(provider, stem(TABLES[provider]["models"][number]["names"][0])) for provider, number in GROUPS
    ]
    assert {each.pre_rot_tokens for each in found if each} == {PRE_ROT_TOKENS}


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("anthropic", "kimi-k3"),
        ("openai", "gpt-3.5-turbo"),
        ("google", "gemini-1.5-pro"),
        ("nobody", "gpt-6"),
        ("", ""),
    ],
)
def test_what_is_not_in_the_file_is_not_known(provider: str, model: str) -> None:
    assert mechanics_of(provider, model) is None


ADDRESSES = {
    "https://api.anthropic.com": "anthropic",
    "https://api.openai.com/v1": "openai",
    "https://europe-west4-aiplatform.googleapis.com/v1/projects/p": "google",
    "https://generativelanguage.googleapis.com/v1beta": "google",
    "https://api.moonshot.ai/anthropic": "moonshotai",
    "https://api.deepseek.com": "deepseek",
    "https://api.x.ai/v1": "x-ai",
    "https://api.z.ai/api/paas/v4": "zai",
    "https://dashscope-intl.aliyuncs.com/compatible-mode/v1": "qwen",
    "https://api.openai.com.example.org/v1": "",
    "https://notapi.openai.com.org": "",
    "https://xapi.x.ai/v1": "",
    "http://127.0.0.1:8000/v1": "",
    "": "",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_provider_is_known_by_its_address(address: str) -> None:
    assert provider_at(address) == ADDRESSES[address]
