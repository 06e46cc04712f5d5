"""The executor: the agent that does the work.

A declaration, nothing more: its system prompt, its tools and the thresholds of
its context, as one policy.  What it does with them is decided in the core.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files

from workhand.core.policy import PRE_ROT_TOKENS, Limits, Policy, Prices, ReopenRate, Rules, fitted
from workhand.tools.specs import few_specs, specs

WINDOW_TOKENS = 128_000  # where the model's is not known


@dataclass(frozen=True, slots=True)
class Economy:
    """What decides about the context besides the window that the server has."""

    prices: Prices = field(default_factory=Prices)
    rules: Rules = field(default_factory=Rules)
    reopen_rates: tuple[ReopenRate, ...] = ()
    pre_rot_tokens: int = PRE_ROT_TOKENS
    sees: bool = False


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
    examples for models that follow examples better than rules, and fewer tools.
    """
    economy = economy or Economy()
    chosen = Policy(
        model=model,
        system_prompt=(files("workhand.agents") / "prompts" / f"{prompt}.md").read_text("utf-8").strip(),
        tools=specs() if prompt == "executor" else few_specs(),
        limits=limits or Limits(),
        variation_seed=seed,
        answer_tokens_max=answer_tokens_max,
        recite_after_calls=recite_after_calls,
        prices=economy.prices,
        rules=economy.rules,
        reopen_rates=economy.reopen_rates,
        recite_errors=True,
        sees=economy.sees,
    )
    return fitted(chosen, window_tokens or WINDOW_TOKENS, pre_rot_tokens=economy.pre_rot_tokens)
