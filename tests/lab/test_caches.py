from __future__ import annotations

import random

import pytest

from workhand.errors import ConfigError
from workhand.lab.caches import named
from workhand.lab.hindsight.compactions import Event, bills
from workhand.lab.hindsight.optimum import Instance, Result, Step
from workhand.lab.request import Billed, Block, Request


def request(keys: str, *marks: int, tail: int = 0, cold: bool = False) -> Request:
    """Give a request whose blocks are letters of 1,000 tokens each; small letters have 10."""
    blocks = tuple(Block(ord(key), 1_000 if key.isupper() else 10) for key in keys)
    return Request(blocks, marks, tail_tokens=tail, cold=cold)


def billed(name: str, *requests: Request) -> list[Billed]:
    cache = named(name)()
    return [cache.bill(each) for each in requests]


def test_the_ideal_cache_reads_what_any_earlier_request_began_with() -> None:
    sent = [request("ABC", tail=7), request("ABD"), request("ABCE"), request("BCE"), request("ABDEF")]

    assert billed("lcp", *sent) == [
        Billed(0, 3_000, 7),
        Billed(2_000, 1_000),
        Billed(3_000, 1_000),
        Billed(0, 3_000),
        Billed(3_000, 2_000),
    ]


def test_an_expired_ideal_cache_knows_nothing_of_what_was_sent_before() -> None:
    sent = [request("ABC"), request("ABC", cold=True), request("AB"), request("ABCD")]

    assert billed("lcp", *sent) == [Billed(0, 3_000), Billed(0, 3_000), Billed(2_000, 0), Billed(3_000, 1_000)]


@pytest.mark.parametrize("seed", range(20))
def test_the_ideal_cache_agrees_with_comparing_every_pair_of_requests(seed: int) -> None:
    chance = random.Random(seed)
    sent = [request("".join(chance.choices("AB", k=chance.randint(0, 7)))) for _ in range(40)]
    shared = [
        max((_common(each.blocks, other.blocks) for other in sent[:number]), default=0)
        for number, each in enumerate(sent)
    ]

    assert [each.cached for each in billed("lcp", *sent)] == [1_000 * count for count in shared]


def _common(one: tuple[Block, ...], other: tuple[Block, ...]) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def test_the_ideal_cache_bills_a_schedule_as_it_is_priced() -> None:
    steps = tuple(Step(3, (Result(50, 4), Result(20, 2)), said, cold=said == 9) for said in (30, 0, 2, 0, 9, 0))
    events = (Event(2, (1,)), Event(3, (0, 2)), Event(5, (3, 4)))
    compact: set[int] = set()
    cache, prices = named("lcp")(), []
    for number, step in enumerate(steps):
        compact.update(*(event.results for event in events if event.step == number))
        prices.append(cache.bill(Request(_wire(steps, number, compact), cold=step.cold)))

    assert tuple(prices) == bills(Instance(steps, keep=1), events)


def _wire(steps: tuple[Step, ...], call: int, compact: set[int]) -> tuple[Block, ...]:
    blocks = []
    for number, step in enumerate(steps[: call + 1]):
        blocks.append(Block(1_000 + number, step.said_tokens))
        if number < call:
            blocks.append(Block(2_000 + number, step.answer_tokens))
            for index, result in enumerate(step.results, 2 * number):
                small = index in compact
                blocks.append(Block(4_000 * small + 3_000 + index, result.compact if small else result.full))
    return tuple(blocks)


def test_anthropic_reads_up_to_an_entry_and_writes_up_to_the_last_mark() -> None:
    sent = [request("ABC", 1, 2, tail=5), request("ABCDE", 3), request("ABCDE", 3), request("ABCD")]

    assert billed("anthropic", *sent) == [
        Billed(0, 3_000, 5),
        Billed(3_000, 1_000, 1_000),
        Billed(4_000, 0, 1_000),
        Billed(0, 0, 4_000),
    ]


def test_anthropic_finds_nothing_before_an_edit_that_was_not_marked_both_times() -> None:
    end_only = [request("ABCDE", 4), request("ABxDEF", 5)]
    also_before = [request("ABCDE", 1, 4), request("ABxDEF", 1, 5)]
    in_reach = [request("ABCDE", 1, 4), request("ABxDEF", 5)]

    assert billed("anthropic", *end_only)[1] == Billed(0, 5_010)
    assert billed("anthropic", *also_before)[1] == Billed(2_000, 3_010)
    assert billed("anthropic", *in_reach)[1] == Billed(2_000, 3_010)


def test_anthropic_looks_at_20_blocks_with_the_marked_one() -> None:
    def after(added: int) -> Billed:
        blocks = "AB" + "abcdefghijklmnopqrstuvwxyz"[:added]
        return billed("anthropic", request("AB", 1), request(blocks, len(blocks) - 1))[1]

    assert (after(19), after(20)) == (Billed(2_000, 190), Billed(0, 2_200))


def test_anthropic_makes_no_entry_at_a_mark_within_what_it_reads() -> None:
    assert billed("anthropic", request("ABCD", 3), request("ABCDE", 1, 4), request("ABF", 1, 2))[1:] == [
        Billed(4_000, 1_000),
        Billed(0, 3_000),
    ]


def test_anthropic_makes_no_entry_of_a_short_prefix() -> None:
    assert billed("anthropic", request("abA", 2), request("abA", 2)) == [Billed(0, 0, 1_020), Billed(0, 0, 1_020)]


def test_an_expired_anthropic_cache_has_no_entries() -> None:
    sent = [request("abcA", 3), request("abcA", 3), request("abcA", 3, cold=True)]

    assert billed("anthropic", *sent) == [Billed(0, 1_030), Billed(1_030, 0), Billed(0, 1_030)]


def test_more_than_four_marks_are_refused_by_anthropic() -> None:
    with pytest.raises(ConfigError, match="at most four"):
        named("anthropic")().bill(request("ABCDE", 0, 1, 2, 3, 4))


def test_a_mark_outside_of_the_request_is_refused() -> None:
    with pytest.raises(ConfigError, match="not all among 2 blocks"):
        named("openai-marked")().bill(request("AB", 2))


def test_openai_reads_in_steps_of_128_tokens_from_1024_on() -> None:
    sent = [request("aA"), request("aAb", tail=3), request("aaAB"), request("abcAB"), request("abcABC")]

    assert billed("openai", *sent) == [
        Billed(0, 0, 1_010),
        Billed(0, 0, 1_023),
        Billed(0, 2_020),
        Billed(0, 2_030),
        Billed(1_920, 1_110),
    ]


def test_writing_cost_nothing_at_openai_before_its_models_of_5_6() -> None:
    assert billed("openai-before-5.6", request("AB"), request("ABC"), request("ABC", cold=True)) == [
        Billed(0, 0, 2_000),
        Billed(1_920, 0, 1_080),
        Billed(0, 0, 3_000),
    ]


def test_a_marked_openai_cache_reads_only_where_a_mark_stayed() -> None:
    moved = [request("ABC", 2), request("ABCD", 3)]
    stayed = [request("ABC", 2), request("ABCD", 2, 3), request("ABCDEF", 2, 3, 4)]

    assert billed("openai-marked", *moved)[1] == Billed(0, 4_000)
    assert billed("openai-marked", *stayed)[1:] == [Billed(3_000, 1_000), Billed(4_000, 1_000, 1_000)]


def test_a_marked_openai_cache_makes_entries_at_the_latest_four_marks() -> None:
    first = request("ABCDEF", 1, 2, 3, 4, 5)

    assert [billed("openai-marked", first, request("ABCxx", mark))[1].cached for mark in (1, 2)] == [0, 3_000]


def test_an_unknown_cache_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ConfigError, match="no cache 'lru'; take one of lcp, anthropic, openai"):
        named("lru")
