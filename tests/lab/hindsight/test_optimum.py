from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.lab.hindsight.exhaustive import cheapest, made_up
from workhand.core.policy import Prices
from workhand.errors import ConfigError
from workhand.lab.hindsight.compactions import bills
from workhand.lab.hindsight.optimum import Event, Instance, Result, Schedule, Step, cost, lower_bound, optimum
from workhand.lab.request import Billed

SEEDS = range(300)
EXACT = 1e-12  # relative: what is left of adding the same floats in another order


def differing(found: dict[int, float], expected: dict[int, float]) -> list[tuple[int, float, float]]:
    return [
        (seed, found[seed], each) for seed, each in expected.items() if found[seed] != pytest.approx(each, rel=EXACT)
    ]


@pytest.mark.parametrize(("limited", "penalised"), [(False, False), (True, False), (False, True)])
def test_the_optimum_is_the_cheapest_of_all_schedules(limited: bool, penalised: bool) -> None:
    sessions = {seed: made_up(seed, limited=limited, penalised=penalised) for seed in SEEDS}
    found = {seed: optimum(session) for seed, session in sessions.items()}

    assert (
        differing(
            {seed: schedule.cost for seed, schedule in found.items()},
            {seed: cheapest(session) for seed, session in sessions.items()},
        )
        == []
    )
    assert {schedule.gap for schedule in found.values()} == {0.0}


def test_a_limit_with_penalties_is_solved_within_the_stated_gap() -> None:
    sessions = [made_up(seed, limited=True, penalised=True) for seed in SEEDS]
    least = [cheapest(session) for session in sessions]
    found = [optimum(session) for session in sessions]

    assert [(a, b) for a, b in zip(found, least, strict=True) if a.cost < b * (1 - EXACT)] == []
    assert [(a, b) for a, b in zip(found, least, strict=True) if a.cost - a.gap > b * (1 + EXACT)] == []


def test_a_search_that_may_follow_one_plan_states_a_gap_that_holds() -> None:
    sessions = [made_up(seed, limited=True) for seed in SEEDS]
    found = [(optimum(session, width=1), optimum(session).cost) for session in sessions]

    assert [(narrow, wide) for narrow, wide in found if not wide <= narrow.cost * (1 + EXACT)] == []
    assert [(narrow, wide) for narrow, wide in found if narrow.cost - narrow.gap > wide * (1 + EXACT)] == []
    assert any(narrow.gap for narrow, _ in found)


@pytest.mark.parametrize("seed", range(40))
def test_the_optimum_of_a_longer_session_keeps_its_limit(seed: int) -> None:
    session = longer(seed, limit=4_000)
    full = [billed.input for billed in bills(session, ())]
    sent = [billed.input for billed in bills(session, optimum(session).events)]

    assert [number for number, most in enumerate(session.within(full)) if sent[number] > most] == []


@pytest.mark.parametrize("seed", range(40))
def test_no_schedule_is_below_the_lower_bound(seed: int) -> None:
    session = longer(seed)
    bound = lower_bound(session) * (1 - EXACT)
    tried = [
        cost(session, by_chance(session, random.Random(number), share)) for number in range(20) for share in (1, 4)
    ]

    assert [
        each for each in (*tried, optimum(session).cost, optimum(longer(seed, limit=3_000)).cost) if each < bound
    ] == []


@pytest.mark.parametrize("seed", range(10))
def test_no_schedule_is_below_the_lower_bound_where_a_length_makes_all_dearer(seed: int) -> None:
    session = longer(seed)
    steep = replace(session, prices=replace(session.prices, cliff_tokens=2_500, cliff_factor=5.0))
    short = [Event(number, due) for number, due in eager(steep)]
    assert cost(steep, short) >= lower_bound(steep)


def eager(session: Instance) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Compact whatever may be, at once."""
    done = 0
    for number, eligible in enumerate(session.eligible()):
        if eligible > done:
            yield number, tuple(range(done, eligible))
            done = eligible


def longer(seed: int, limit: int | None = None) -> Instance:
    """Make a session of 40 calls, some of them cold."""
    chance = random.Random(seed)
    steps = tuple(
        Step(
            chance.randint(1, 60),
            tuple(
                Result(1 + int(chance.lognormvariate(5, 1.35)), chance.choice((20, 20, 60)))
                for _ in range(chance.choice((0, 1, 1, 2)))
            ),
            cold=chance.random() < 0.05 * (seed % 3),
        )
        for _ in range(40)
    )
    return Instance(steps, Prices(write=1.25, read=0.05), 500, 2, limit)


def by_chance(session: Instance, chance: random.Random, rarity: int) -> tuple[Event, ...]:
    """Compact at some calls some of what may be."""
    full = set(range(len(session.results)))
    events = []
    for number, eligible in enumerate(session.eligible()):
        due = tuple(each for each in range(eligible) if each in full and chance.random() < 0.7)
        if due and chance.randrange(3 * rarity) == 0:
            events.append(Event(number, due))
            full.difference_update(due)
    return tuple(events)


PLAIN = Instance(
    (Step(10, (Result(100, 20),), said_tokens=40), Step(5, (Result(300, 30),)), Step(6), Step(7, dropped_tokens=9)),
    Prices(write=2.0, read=0.5, output=4.0),
    prefix_tokens=1_000,
    keep=0,
)


def test_a_compaction_writes_again_what_stands_behind_it() -> None:
    assert bills(PLAIN, (Event(2, (0,)),)) == (
        Billed(0, 1_040),
        Billed(1_040, 110),
        Billed(1_050, 325),
        Billed(1_375, 6),
    )
    assert cost(PLAIN, (Event(2, (0,)),)) == 0.5 * (1_040 + 1_050 + 1_375) + 2 * (1_040 + 110 + 325 + 6) + 4 * 37


def test_a_penalty_is_charged_once_for_each_result_that_is_compacted() -> None:
    steps = (replace(PLAIN.steps[0], results=(Result(100, 20, 77.0),)), *PLAIN.steps[1:])

    assert cost(replace(PLAIN, steps=steps), (Event(2, (0,)),)) == cost(PLAIN, (Event(2, (0,)),)) + 77


def test_what_was_not_worth_a_break_is_compacted_at_the_next_cold_call() -> None:
    small, large, fixed = Result(60, 20), Result(5_000, 20), Result(5, 5)
    warm = (Step(10, (small,)), Step(900), Step(10, (large,)), Step(10, (fixed,)), *[Step(10)] * 12)
    session = Instance((*warm, Step(10, cold=True), Step(10)), Prices(write=1.25, read=0.1), keep=1)

    assert optimum(session).events == (Event(4, (1,)), Event(16, (0,)))


def test_a_cold_call_costs_the_same_wherever_the_change_begins() -> None:
    steps = tuple(replace(step, cold=number == 3) for number, step in enumerate(PLAIN.steps))
    session = replace(PLAIN, steps=steps)

    assert bills(session, (Event(3, (0, 1)),))[3] == Billed(0, 1_381 - 300 + 30)
    assert bills(session, (Event(3, (1,)),))[3] == Billed(0, 1_381 - 300 + 30 + 80)


def test_the_newest_results_and_those_never_sent_are_not_eligible() -> None:
    pair = (Result(9, 1), Result(9, 1))
    steps = (Step(1, pair), Step(1), Step(1, pair), Step(1), Step(1))

    assert Instance(steps, keep=0).eligible() == (0, 0, 2, 2, 4)
    assert Instance(steps, keep=1).eligible() == (0, 0, 1, 2, 3)
    assert Instance(steps, keep=3).eligible() == (0, 0, 0, 1, 1)


@pytest.mark.parametrize("events", [(Event(1, (0,)),), (Event(3, (0,)), Event(4, (0,))), (Event(2, (-1,)),)])
def test_a_result_that_may_not_be_compacted_is_refused(events: tuple[Event, ...]) -> None:
    steps = (Step(1, (Result(9, 1),)), *[Step(1)] * 4)

    with pytest.raises(ConfigError, match="cannot be compacted at step"):
        cost(Instance(steps, keep=0), events)


def test_reading_dearer_than_writing_is_refused() -> None:
    with pytest.raises(ConfigError, match="dearer than writing"):
        Instance((), Prices(write=0.5, read=1.0))


def test_a_session_without_calls_costs_nothing() -> None:
    assert optimum(Instance(())) == Schedule(0.0)
