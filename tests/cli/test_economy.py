"""What the command line puts into the policy of a new session, by the model that it names."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from workhand.cli.settings import Settings
from workhand.cli.wiring import new_policy
from workhand.core.policy import Limits, Rules
from workhand.models.script import ScriptModel


@pytest.mark.parametrize(("name", "summaries"), [("local:smollm2-360m", False), ("openai-chat:some-model", True)])
def test_only_the_local_model_is_never_asked_for_a_summary(tmp_path: Path, name: str, summaries: bool) -> None:
    settings = Settings(home=tmp_path, context=Rules(theta=2.0))

    async def chosen() -> Rules:
        policy = await new_policy(settings, name, ScriptModel(name, ()), seed="s", limits=Limits(), steps_given=False)
        return policy.rules

    rules = anyio.run(chosen)
    assert rules.summaries is summaries
    assert rules.theta == 2.0
