"""The executor: the agent that does the work.

A declaration, nothing more: its system prompt, its tools and the thresholds of
its context, as one policy.  What it does with them is decided in the core.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib.resources import files

from workhand.core.policy import Limits, Policy, Prices, ReopenRate, Rules, Window
from workhand.tools.specs import specs

TRIGGER_SHARE = 0.8  # of the pre-rot threshold or of what the window leaves, whichever is less
OBSERVATION_TOKENS_MAX = 1_200  # a longer result never enters whole
ERROR_TOKENS_MAX = 8_000
ANSWER_SHARE_MAX = 0.125  # of the window that an answer may take
PRE_ROT_TOKENS = (
    128_000  # where quality falls: 128k to 200k by Manus' account of 2025; no curve of later models is public
)


@dataclass(frozen=True, slots=True)
class Economy:
    """What decides about the context besides the window that the server has."""

    prices: Prices = field(default_factory=Prices)
    rules: Rules = field(default_factory=Rules)
    reopen_rates: tuple[ReopenRate, ...] = ()
    pre_rot_tokens: int = PRE_ROT_TOKENS


def policy(
    model: str,
    *,
    seed: str,
    window_tokens: int | None = None,
    limits: Limits | None = None,
    answer_tokens_max: int = 16_384,
    prompt: str = "executor",
    recite_after_calls: int = 0,
    economy: Economy | None = None,
) -> Policy:
    """Give the policy of an executor on ``model`` with a context window of ``window_tokens``.

    ``prompt`` names its system prompt: ``executor``, or ``executor-small`` with worked
    examples for models that follow examples better than rules.
    """
    hard = window_tokens or 128_000
    answer = min(answer_tokens_max, int(hard * ANSWER_SHARE_MAX))
    economy = economy or Economy()
    pre_rot, rules = min(economy.pre_rot_tokens, hard), economy.rules
    return Policy(
        model=model,
        system_prompt=(files("workhand.agents") / "prompts" / f"{prompt}.md").read_text("utf-8").strip(),
        tools=specs(),
        window=Window(hard, pre_rot, int(min(pre_rot, hard - answer) * TRIGGER_SHARE)),
        limits=limits or Limits(),
        variation_seed=seed,
        answer_tokens_max=answer,
        observation_tokens_max=min(OBSERVATION_TOKENS_MAX, hard // 16),
        error_tokens_max=min(ERROR_TOKENS_MAX, hard // 8),
        recite_after_calls=recite_after_calls,
        prices=economy.prices,
        rules=replace(
            rules,
            preview_tokens=min(rules.preview_tokens, hard // 32),
            summary_tokens=min(rules.summary_tokens, hard // 16),
        ),
        reopen_rates=economy.reopen_rates,
        recite_errors=True,
    )
