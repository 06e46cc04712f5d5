"""When the context is reduced by choice: rent or buy, cold caches, cliffs, summaries, and none of it twice."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.core.playbook import BEGUN, POLICY, Part, answered, call, filed, log
from workhand.core import schedule
from workhand.core.body import body_of
from workhand.core.budget import context_tokens
from workhand.core.compaction import stale_of
from workhand.core.events import (
    Event,
    HistorySummarized,
    ModelFailed,
    PricesChanged,
    ResultsCompacted,
    Resumed,
    Summary,
    SummaryRejected,
    Usage,
    UserSaid,
)
from workhand.core.log import Entry, Log
from workhand.core.policy import Policy, Prices, Rules, Window
from workhand.core.prices import prices_of
from workhand.core.render import render
from workhand.core.schedule import Summarize, due

ROOMY = Window(hard=1_000_000, pre_rot=1_000_000, trigger=900_000)
USUAL = Prices()
FORCED = Rules(rent_or_buy=False, when_cold=False)
RENT = Rules(summary_theta=1e9, hazard=0.0)
"""Only rent and cold caches reduce anything, and nothing is expected to be read again."""


def session(count: int, policy: Policy, size: int = 4_000, *, gap_s: float = 1.0) -> Log:
    """Play calls with results of equal size, each answer counted by the server at four bytes a token."""
    played = log(*BEGUN, policy=policy)
    for number in range(count):
        prompt = render(played, policy)
        counted = replace(
            answered(call(f"c{number}", "file_read")), usage=Usage(prompt.size // 4), prompt_bytes=prompt.size
        )
        (_, _, returned) = filed(f"c{number}", size)
        at = played.entries[-1].at
        played = played.then(counted, at + 0.5).then(returned, at + gap_s)
    return played


def reductions(count: int, policy: Policy, size: int = 4_000) -> list[int]:
    """Play calls and do what is due before each; give the calls before which something was."""
    found = []
    played = session(0, policy)
    for number in range(count):
        while (reduction := due(played, policy)) is not None:
            assert isinstance(reduction, ResultsCompacted)
            played = played.then(reduction, played.entries[-1].at)
            found.append(number)
        prompt = render(played, policy)
        counted = replace(
            answered(call(f"c{number}", "file_read")), usage=Usage(prompt.size // 4), prompt_bytes=prompt.size
        )
        played = played.then(counted, played.entries[-1].at + 1).then(filed(f"c{number}", size)[2])
    return found


def policy(rules: Rules = RENT, prices: Prices = USUAL, window: Window = ROOMY, keep: int = 3) -> Policy:
    return replace(POLICY, rules=rules, prices=prices, window=window, keep_full_results=keep)


def test_stale_results_are_compacted_when_what_they_cost_has_paid_for_it() -> None:
    """With d bytes a result, n stale ones have cost R*d*n*(n+1)/2 and price theta*(W-R)*(what stands behind)."""
    chosen = policy(replace(RENT, theta=1.0), Prices(read=0.1, write=1.1))
    calls = reductions(24, chosen)
    assert calls[0] > 4  # nothing is stale before the fourth result, and rent takes time
    assert len(calls) in (2, 3, 4)
    assert all(later - earlier >= 3 for earlier, later in pairwise(calls))


@pytest.mark.parametrize(("read", "fewer"), [(0.2, 0.05), (0.1, 0.025)])
def test_the_cheaper_the_cache_the_rarer_the_compactions(read: float, fewer: float) -> None:
    often = reductions(40, policy(prices=Prices(read=read)))
    seldom = reductions(40, policy(prices=Prices(read=fewer)))
    assert len(seldom) < len(often)


def test_where_a_cache_is_free_nothing_is_compacted_by_choice() -> None:
    assert reductions(40, policy(prices=Prices(read=0.0))) == []


def test_the_rule_can_be_switched_off() -> None:
    assert reductions(40, policy(replace(RENT, rent_or_buy=False))) == []


def test_a_higher_theta_waits_longer() -> None:
    first = [reductions(60, policy(replace(RENT, theta=theta)))[0] for theta in (0.25, 0.75, 2.0)]
    assert first == sorted(first)
    assert first[0] < first[2]


def test_what_is_likely_to_be_read_again_is_left_longer() -> None:
    sure = reductions(60, policy(replace(RENT, hazard=0.0)))
    likely = reductions(60, policy(replace(RENT, hazard=0.3)))
    assert len(likely) < len(sure)


def test_no_result_is_compacted_twice() -> None:
    chosen = policy(replace(RENT, theta=0.25), Prices(read=0.2))
    played = session(0, chosen)
    seen: list[str] = []
    for number in range(40):
        if (reduction := due(played, chosen)) is not None:
            assert isinstance(reduction, ResultsCompacted)
            seen += reduction.call_ids
            played = played.then(reduction)
        played = played.then(answered(call(f"c{number}", "file_read"))).then(filed(f"c{number}")[2])
    assert len(seen) == len(set(seen)) > 10


def test_an_expired_cache_makes_compaction_free() -> None:
    chosen = policy(replace(RENT, rent_or_buy=False))
    played = session(6, chosen)
    assert due(played, chosen) is None
    late = played.then(UserSaid("Still there?"), played.entries[-1].at + 301.0)
    assert due(late, chosen) == ResultsCompacted(("c0", "c1", "c2"), why="cold")
    assert due(late, replace(chosen, rules=replace(chosen.rules, when_cold=False))) is None


def test_prices_that_change_take_effect_from_then_on() -> None:
    chosen = policy(prices=Prices(read=0.0))
    played = session(12, chosen).then(PricesChanged(Prices(read=0.5, write=0.6)))
    assert due(played, chosen) is None  # the stale ones have cost nothing so far
    assert prices_of(played, chosen) == Prices(read=0.5, write=0.6)
    for number in range(12, 16):
        played = played.then(answered(call(f"c{number}", "file_read"))).then(filed(f"c{number}")[2])
    assert due(played, chosen) is not None


def test_a_compaction_that_brings_the_prompt_below_a_cliff_is_made_before_it() -> None:
    chosen = policy(replace(RENT, rent_or_buy=False))
    played = session(10, chosen)
    tokens = context_tokens(played, chosen)
    saved = stale_of(played, chosen).saving / 4
    near = replace(chosen, prices=Prices(cliff_tokens=tokens - 10, cliff_factor=2.0))
    assert due(played, near) == ResultsCompacted(tuple(f"c{n}" for n in range(7)), why="cliff")
    far = replace(chosen, prices=Prices(cliff_tokens=int(tokens - saved - 100), cliff_factor=2.0))
    assert due(played, far) is None  # it would not bring it below
    assert due(played, replace(chosen, prices=Prices(cliff_tokens=tokens + 10, cliff_factor=2.0))) is None


# -- summaries --------------------------------------------------------------------


def full(count: int = 30, rules: Rules = FORCED, *events: Event) -> tuple[Log, Policy]:
    """Play calls whose results can never be compacted, up to the trigger."""
    chosen = policy(replace(rules, summary_theta=1e9))
    parts: list[Part] = [filed(f"c{number}", 2_000, path=None) for number in range(count)]
    played = log(*BEGUN, *parts, *events, policy=chosen)
    tokens = context_tokens(played, chosen)
    return played, replace(chosen, window=Window(10 * tokens, 10 * tokens, tokens))


def test_what_compaction_cannot_shrink_is_summarised_up_to_the_last_few_calls() -> None:
    played, chosen = full()
    kept = [entry.position for entry in played.entries if getattr(entry.event, "calls", None)][-3:]
    assert due(played, chosen) == Summarize(kept[0], "trigger")


def test_without_summaries_the_session_goes_on() -> None:
    played, chosen = full(30, Rules(summaries=False))
    assert due(played, chosen) is None


def test_a_summary_is_asked_for_again_with_the_reason_and_then_not_until_some_calls_have_passed() -> None:
    played, chosen = full()
    once = played.then(SummaryRejected(("It is empty.",), Usage(), "m"))
    twice = once.then(SummaryRejected(("It is empty.",), Usage(), "m"))
    assert isinstance(due(once, chosen), Summarize)
    assert due(twice, chosen) is None
    later = twice
    for number in range(schedule.CALLS_BETWEEN_ATTEMPTS):
        assert due(later, chosen) is None
        later = later.then(answered(call(f"d{number}", "file_read"))).then(filed(f"d{number}", 300, path=None)[2])
    assert isinstance(due(later, chosen), Summarize)


def test_after_a_summary_nothing_is_due() -> None:
    played, chosen = full()
    asked = due(played, chosen)
    assert isinstance(asked, Summarize)
    stands = Summary((), (), (), "All is well.", (), (), (), ())
    after = played.then(HistorySummarized(asked.until, stands, "history.md", Usage(), "m"))
    assert due(after, chosen) is None
    assert len(body_of(after, chosen).results) == 3


def test_growth_that_has_cost_enough_is_summarised_before_any_limit() -> None:
    rules = Rules(rent_or_buy=False, summary_theta=1.0, summary_tokens=100)
    chosen = policy(rules, Prices(read=0.2))
    played = session(0, chosen)
    for number in range(60):
        if isinstance(asked := due(played, chosen), Summarize):
            break
        prompt = render(played, chosen)
        counted = replace(
            answered(call(f"c{number}", "file_read")), usage=Usage(prompt.size // 4), prompt_bytes=prompt.size
        )
        played = played.then(counted).then(filed(f"c{number}", 2_000, path=None)[2])
    assert asked is not None and asked.why == "rent"
    assert context_tokens(played, chosen) < ROOMY.trigger // 10


def test_a_server_that_finds_the_prompt_too_long_is_obeyed_at_any_size() -> None:
    chosen = policy(Rules())
    played = session(3, chosen).then(ModelFailed("ContextOverflow", "Too long."))
    assert due(played, chosen) == ResultsCompacted(("c0", "c1"), why="overflow")


def test_two_readings_of_one_log_decide_the_same() -> None:
    chosen = policy(Rules(theta=0.25), Prices(read=0.2))
    played = session(20, chosen)
    read = Log.of(Entry(entry.position, entry.at, entry.event) for entry in played.entries)
    assert due(read, chosen) == due(played, chosen) is not None


def test_waking_up_costs_no_reduction_by_itself() -> None:
    chosen = policy(replace(RENT, rent_or_buy=False))
    played = session(2, chosen)
    assert due(played.then(Resumed(), played.entries[-1].at + 10_000.0), chosen) is None  # nothing is stale yet


def test_failures_are_never_stale() -> None:
    chosen = policy(RENT)
    played = log(*BEGUN, *(filed(f"c{n}", 4_000, ok=False) for n in range(12)), policy=chosen)
    assert dict(stale_of(played, chosen).waiting) == {}
