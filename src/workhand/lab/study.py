"""Many sessions under many policies, billed alike: what ``lab replay`` and ``lab sweep`` do.

Each session is replayed under all policies by one process, so that texts are
counted once; the sessions are spread over the cores.  Append-only and the lower
bound of the hindsight optimum are always computed: every cost is relative to them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from itertools import pairwise

from workhand.core.policy import Prices
from workhand.lab.caches import named as cache_named
from workhand.lab.hindsight.instances import instance_of
from workhand.lab.hindsight.optimum import lower_bound
from workhand.lab.policies.rivals import named as policy_named
from workhand.lab.replay import Account, Terms, replay
from workhand.lab.texts import Texts, needs
from workhand.lab.trace import Answer, Trace

BASELINE = "append-only"
PREFIX_TOKENS = 12_000  # the stand-in for system prompt and tools that every policy carries


@dataclass(frozen=True, slots=True)
class Settings:
    """What all policies have in common."""

    limit_tokens: int = 64_000  # without the fixed prefix
    prefix_tokens: int = PREFIX_TOKENS
    prices: Prices = field(default_factory=Prices)
    cache: str = "lcp"
    cold_share: float = 0.0  # of calls before which the cache has expired, besides those that the times show


@dataclass(frozen=True, slots=True)
class Outcome:
    """One session: what it cost under each policy, and what nothing that only compacts can go below."""

    trace: str
    bound: float
    accounts: tuple[tuple[str, Account], ...]

    def account(self, policy: str) -> Account:
        return dict(self.accounts)[policy]


def study(
    traces: Sequence[Trace],
    policies: Sequence[str],
    settings: Settings,
    *,
    processes: int | None = None,
    done: Callable[[], None] = lambda: None,
) -> tuple[Outcome, ...]:
    """Replay every trace under every policy; ``done`` is called after each trace.

    Raises ``ConfigError`` for a policy or a cache that is not known.
    """
    listed = tuple(dict.fromkeys((BASELINE, *policies)))
    for name in listed:
        policy_named(name, limit=settings.limit_tokens, prices=settings.prices)
    cache_named(settings.cache)
    work = partial(session, policies=listed, settings=settings)
    count = processes or os.cpu_count() or 1
    if count == 1 or len(traces) == 1:
        return tuple(_counted(map(work, traces), done))
    order = sorted(range(len(traces)), key=lambda at: -traces[at].answers)  # the longest first, so that none is left
    with ProcessPoolExecutor(count) as pool:
        found = list(_counted(pool.map(work, (traces[at] for at in order)), done))
    placed = dict(zip(order, found, strict=True))
    return tuple(placed[at] for at in range(len(traces)))


def session(trace: Trace, *, policies: Sequence[str], settings: Settings) -> Outcome:
    """Replay one trace under every policy."""
    needed = needs(trace)
    texts = Texts(frozenset[str]().union(*needed.values()))
    cold = cold_calls(trace, settings.prices.lifetime_s, settings.cold_share)
    terms = Terms(settings.prices, settings.limit_tokens, settings.prefix_tokens, cold)
    begins = {name: policy_named(name, limit=settings.limit_tokens, prices=settings.prices) for name in policies}
    accounts = tuple(
        (name, replay(trace, begin, cache_named(settings.cache)(), terms, texts=texts))
        for name, begin in begins.items()
    )
    bound = sum(lower_bound(each) for each in instance_of(trace, texts, terms))
    return Outcome(trace.id, bound, accounts)


def cold_calls(trace: Trace, lifetime_s: float, share: float) -> frozenset[int]:
    """Give the calls before which the cache had expired: by the recorded times, and a share chosen by a digest."""
    answers = [part for part in trace.parts if isinstance(part, Answer)]
    late = {
        call
        for call, (before, after) in enumerate(pairwise(answers), 1)
        if before.at is not None and after.at is not None and after.at - before.at > lifetime_s
    }
    drawn = ((call, sha256(f"{trace.id}:{call}".encode()).digest()[:4]) for call in range(1, len(answers)))
    return frozenset(late | {call for call, digest in drawn if int.from_bytes(digest, "big") < share * 2**32})


def _counted(found: Iterable[Outcome], done: Callable[[], None]) -> Iterator[Outcome]:
    for outcome in found:
        done()
        yield outcome


@dataclass(frozen=True, slots=True)
class Row:
    """A policy over all sessions.  Costs are in tokens of uncached input."""

    cost: float
    vs_no_cache: float  # relative to append-only without any cache
    vs_append_only: float
    vs_lower_bound: float
    hit: float  # share of input tokens that were read from the cache
    breaks_per_100: float
    rereads_per_100: float
    over_limit_share: float
    peak_mean: float  # tokens without the fixed prefix: the largest request of a session, on average
    peak_max: int
    context_mean: float
    restorable_share: float  # of the tokens that were taken out
    needs_shown: float  # of what actions needed: the share that was in the request, each action counting once
    needs_reachable: float  # in the request or behind a pointer in it, each identifier counting once
    extra_calls_per_100: float  # to summarise
    mark_misses_per_100: float  # requests whose predecessor's end no mark was within 20 blocks of
    latency: float  # relative to append-only, by the model of docs/lab.md
    worst_session: float  # the highest ratio to append-only


def row(outcomes: Sequence[Outcome], policy: str) -> Row:
    """Add up a policy's accounts."""
    found = [outcome.account(policy) for outcome in outcomes]
    base = [outcome.account(BASELINE) for outcome in outcomes]
    calls = sum(account.calls for account in found) or 1
    removed = sum(account.removed for account in found)
    needing = sum(account.needing for account in found) or 1
    needs_of = sum(account.needs for account in found) or 1
    sizes = [size for account in found for size in account.sizes]
    return Row(
        cost=sum(account.cost for account in found),
        vs_no_cache=_ratio((account.cost for account in found), (account.uncached for account in base)),
        vs_append_only=_ratio((account.cost for account in found), (account.cost for account in base)),
        vs_lower_bound=_ratio((account.cost for account in found), (outcome.bound for outcome in outcomes)),
        hit=_ratio((account.cached for account in found), (account.input for account in found)),
        breaks_per_100=100 * sum(account.breaks for account in found) / calls,
        rereads_per_100=100 * sum(account.rereads for account in found) / calls,
        over_limit_share=sum(account.over_limit for account in found) / calls,
        peak_mean=sum(max(account.sizes, default=0) for account in found) / max(1, len(found)),
        peak_max=max(sizes, default=0),
        context_mean=sum(sizes) / max(1, len(sizes)),
        restorable_share=sum(account.restorable for account in found) / removed if removed else 1.0,
        needs_shown=sum(account.needing_shown for account in found) / needing,
        needs_reachable=sum(account.needs_shown + account.needs_behind for account in found) / needs_of,
        extra_calls_per_100=100 * sum(account.summaries for account in found) / calls,
        mark_misses_per_100=100 * sum(account.mark_misses for account in found) / calls,
        latency=_ratio((account.seconds for account in found), (account.seconds for account in base)),
        worst_session=max(
            (one.cost / other.cost for one, other in zip(found, base, strict=True) if other.cost), default=1.0
        ),
    )


def _ratio(above: Iterable[float], below: Iterable[float]) -> float:
    total = sum(below)
    return sum(above) / total if total else 1.0
