"""The executor: the agent that does the work.

A declaration, nothing more: its system prompt, its tools and the thresholds of
its context, as one policy.  What it does with them is decided in the core.
"""

from __future__ import annotations

from importlib.resources import files

from workhand.core.policy import Limits, Policy, Window
from workhand.tools.specs import specs

TRIGGER_SHARE = 0.8  # of the pre-rot threshold or of what the window leaves, whichever is less
ANSWER_SHARE_MAX = 0.125  # of the window that an answer may take
PRE_ROT_TOKENS = 128_000


def policy(
    model: str,
    *,
    seed: str,
    window_tokens: int | None = None,
    limits: Limits | None = None,
    answer_tokens_max: int = 16_384,
    observation_tokens_max: int = 1_200,
    prompt: str = "executor",
    recite_after_calls: int = 0,
) -> Policy:
    """Give the policy of an executor on ``model`` with a context window of ``window_tokens``.

    ``prompt`` names its system prompt: ``executor``, or ``executor-small`` with worked
    examples for models that follow examples better than rules.
    """
    hard = window_tokens or 128_000
    answer = min(answer_tokens_max, int(hard * ANSWER_SHARE_MAX))
    pre_rot = min(PRE_ROT_TOKENS, hard)
    return Policy(
        model=model,
        system_prompt=(files("workhand.agents") / "prompts" / f"{prompt}.md").read_text("utf-8").strip(),
        tools=specs(),
        window=Window(hard, pre_rot, int(min(pre_rot, hard - answer) * TRIGGER_SHARE)),
        limits=limits or Limits(),
        variation_seed=seed,
        answer_tokens_max=answer,
        observation_tokens_max=min(observation_tokens_max, hard // 16),
        error_tokens_max=min(8_000, hard // 8),
        recite_after_calls=recite_after_calls,
    )
