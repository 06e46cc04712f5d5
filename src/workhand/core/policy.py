"""Every choice that shapes a session, as one frozen value stored with it.

Nothing that decides or renders reads a setting from anywhere else, so a log
can be replayed to the same bytes on any machine at any later time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from workhand.core.canonical import ADDED
from workhand.core.consent.rules import Answer, Rule

Effect: TypeAlias = Literal["pure", "idempotent", "effect"]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the model sees it.

    ``name`` is ``family_verb``: masks select families by their prefix.
    ``effect`` says what a repeat would do: ``pure`` reads only, ``idempotent``
    has the same outcome when run twice, ``effect`` must never run twice unasked.
    """

    name: str
    description: str
    parameters: str  # canonical JSON Schema of an object
    effect: Effect = "effect"


@dataclass(frozen=True, slots=True)
class Window:
    """The three thresholds of the context, in tokens.

    ``hard`` is what the model's server accepts, ``pre_rot`` the length past
    which quality falls, ``trigger`` the length at which compaction is forced.
    """

    hard: int = 128_000
    pre_rot: int = 128_000
    trigger: int = 100_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a session may use.  ``None`` means no limit."""

    steps: int | None = 300
    tokens: int | None = None  # input and output together, cached input included
    cost_usd: float | None = None
    seconds: float | None = None  # of work: from waking to waiting, added up


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of a token relative to uncached input, which is 1, and how long a cache keeps it.

    Past ``cliff_tokens`` of input the whole request costs ``cliff_factor`` times as much.
    """

    read: float = 0.05
    write: float = 1.25
    output: float = 5.0
    lifetime_s: float = 300.0
    cliff_tokens: int | None = None
    cliff_factor: float = 1.0

    def cost(self, *, cached: int, written: int, fresh: int, output: int) -> float:
        """Give the price of a request in tokens of uncached input; ``fresh`` ones were neither read nor written."""
        tokens = cached * self.read + written * self.write + fresh + output * self.output
        return tokens * self.factor(cached + written + fresh)

    def factor(self, input_tokens: int) -> float:
        """Say how many times its price a request of this length costs."""
        beyond = self.cliff_tokens is not None and input_tokens > self.cliff_tokens
        return self.cliff_factor if beyond else 1.0


@dataclass(frozen=True, slots=True)
class Rules:
    """How the context engine works: each mechanism can be switched off, and each figure changed.

    The defaults are those of ``docs/lab.md``: found on recorded sessions, flat around their optimum.
    """

    gate: bool = True  # large results enter as a preview and a path
    arguments: bool = True  # the long arguments of a compacted call go with its result
    repeats: bool = True  # a result equal to one that is in view enters as a pointer to it
    rent_or_buy: bool = True  # compact when what stale results have cost would have paid for compacting them
    when_cold: bool = True  # compact when the cache has expired anyway
    summaries: bool = True  # summarise when compaction alone would leave too much
    preview_tokens: int = 600
    reopen_rate: float = 0.3  # expected share of previews that are opened, before a tool's own is known
    reopen_tokens: int = 1_000  # expected size of what is then read
    horizon_calls: int = 20  # calls for which a token that enters is expected to stay
    theta: float = 1.0  # how much of its price stale results must have cost before a compaction
    summary_theta: float = 4.0  # the same of a summary, and all that has grown since the last; it cannot be undone
    hazard: float = 0.05  # chance that a compacted result is read again
    summarise_above: float = 0.45  # share of the room that may stay occupied after a compaction
    summary_tokens: int = 1_500  # expected length of a summary; twice this is refused
    summary_attempts: int = 2
    recalibrate_after: int = 8  # like actions in a row before the model is asked to look up; 0: never


@dataclass(frozen=True, slots=True)
class ReopenRate:
    """What share of a tool's previews was opened, as this installation has learned it."""

    tool: str
    share: float


Purpose: TypeAlias = Literal["act", "plan", "summarise", "extract", "vision", "code", "long_context", "child"]


@dataclass(frozen=True, slots=True)
class Choice:
    """A model, and what of the policy depends on it; where that is not stated the policy's own holds."""

    model: str  # "provider:name"
    window: Window | None = None
    prices: Prices | None = None
    sees: bool = field(default=False, metadata=ADDED)


@dataclass(frozen=True, slots=True)
class Route:
    """The models for one purpose: the first choice, and behind it those to fall back on."""

    purpose: Purpose
    choices: tuple[Choice, ...]


Isolation: TypeAlias = Literal["none", "namespace", "kernel", "vm"]
"""How strongly a machine is kept from its host; the weakest first."""


@dataclass(frozen=True, slots=True)
class Network:
    """What a session's machine may reach, through a proxy on the host that reads everything.

    ``allow`` means the hosts that are named; ``open`` every public host, subject to the rules.  A host is written
    ``example.com``, ``*.example.com``, or with a port that is not its scheme's own.  An address that is not
    public must be named, with its port.
    """

    mode: Literal["none", "allow", "open"] = "none"
    hosts: tuple[str, ...] = ()
    requests_max: int = 5_000
    sent_bytes_max: int = 256 << 20


@dataclass(frozen=True, slots=True)
class Approvals:
    """When a person is asked before something is done, and what is done where nobody is there."""

    rules: tuple[Rule, ...] = ()
    asked: Literal["person", "deny", "never"] = (
        "person"  # never: what would be asked is done, and what is denied is not
    )
    trust_after: int = 3  # like approvals in a session, after which an action that can be undone is no longer asked for
    answers: tuple[Answer, ...] = ()  # given for every session


@dataclass(frozen=True, slots=True)
class Guard:
    """How a session is kept from the world, and the world from it."""

    isolation: Isolation = "namespace"  # the least that the session accepts
    network: Network = Network()
    approvals: Approvals = Approvals()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    model: str  # "provider:name"
    system_prompt: str
    tools: tuple[ToolSpec, ...]
    window: Window = Window()
    limits: Limits = Limits()
    variation_seed: str = ""
    answer_tokens_max: int = 4_096
    keep_full_results: int = 3
    observation_tokens_max: int = 1_200  # larger results enter as a preview and a path
    error_tokens_max: int = 8_000
    recite_after_calls: int = 0  # recite the plan when it was last in view this many calls ago
    fruitless_answers_max: int = 5  # in a row without an action that could run, before the session ends as stuck
    prices: Prices = field(default=Prices(), metadata=ADDED)
    rules: Rules = field(default=Rules(), metadata=ADDED)
    reopen_rates: tuple[ReopenRate, ...] = field(default=(), metadata=ADDED)
    recite_errors: bool = field(default=False, metadata=ADDED)  # the last error that nothing has mended yet
    routes: tuple[Route, ...] = field(default=(), metadata=ADDED)  # one a purpose; that to act begins with ``model``
    guard: Guard = field(default=Guard(), metadata=ADDED)
    sees: bool = field(default=False, metadata=ADDED)  # the model that acts is shown pictures


TRIGGER_SHARE = 0.8  # of the pre-rot threshold or of what the window leaves, whichever is less
ANSWER_SHARE_MAX = 0.125  # of the window that an answer may take
PRE_ROT_TOKENS = 128_000  # where quality falls: 128k to 200k by Manus' account of 2025; newer curves are not public


def fitted(policy: Policy, hard_tokens: int, *, pre_rot_tokens: int = PRE_ROT_TOKENS) -> Policy:
    """Give the policy with its thresholds made to fit a context window; none becomes larger than it was."""
    answer = min(policy.answer_tokens_max, int(hard_tokens * ANSWER_SHARE_MAX))
    pre_rot = min(pre_rot_tokens, hard_tokens)
    rules = policy.rules
    return replace(
        policy,
        window=Window(hard_tokens, pre_rot, int(min(pre_rot, hard_tokens - answer) * TRIGGER_SHARE)),
        answer_tokens_max=answer,
        observation_tokens_max=min(policy.observation_tokens_max, hard_tokens // 16),
        error_tokens_max=min(policy.error_tokens_max, hard_tokens // 8),
        rules=replace(
            rules,
            preview_tokens=min(rules.preview_tokens, hard_tokens // 32),
            summary_tokens=min(rules.summary_tokens, hard_tokens // 16),
        ),
    )
