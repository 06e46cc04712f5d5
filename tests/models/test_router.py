"""The router: each prompt is read by the model that it names, and a model is opened when it is first asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.models.toolset import ALL, head, prompt, said, unwatched
from workhand.errors import ConfigError
from workhand.models.router import Router
from workhand.models.script import ScriptModel, read_script

pytestmark = pytest.mark.anyio

BODY = (*head(), said("Say who you are."))


@pytest.fixture
def built(tmp_path: Path) -> tuple[Router, list[str]]:
    names: list[str] = []

    def build(name: str) -> ScriptModel:
        names.append(name)
        if name == "none":
            raise ConfigError("There is no such model.")
        file = tmp_path / f"{name}.jsonl"
        file.write_text(f'{{"text": "I am {name}."}}\n')
        return read_script(file)

    return Router(build, "first"), names


@pytest.mark.parametrize("model", ["first", "second"])
async def test_a_prompt_is_read_by_the_model_that_it_names(built: tuple[Router, list[str]], model: str) -> None:
    async with built[0] as router:
        answer = await router.answer(replace(prompt(*BODY), model=model), ALL, session="s", watch=unwatched)
    assert answer.text == f"I am {model}."


async def test_a_prompt_that_names_none_is_read_by_the_first(built: tuple[Router, list[str]]) -> None:
    async with built[0] as router:
        answer = await router.answer(prompt(*BODY), ALL, session="s", watch=unwatched)
    assert answer.text == "I am first."


async def test_a_model_is_made_once_and_only_when_it_is_asked(built: tuple[Router, list[str]]) -> None:
    router, names = built
    async with router:
        assert names == ["first"]
        for _ in range(2):
            await router.answer(replace(prompt(*BODY), model="second"), ALL, session="s", watch=unwatched)
        assert names == ["first", "second"]


async def test_a_model_that_cannot_be_made_says_so(built: tuple[Router, list[str]]) -> None:
    async with built[0] as router:
        with pytest.raises(ConfigError, match="no such model"):
            await router.answer(replace(prompt(*BODY), model="none"), ALL, session="s", watch=unwatched)
