"""Replays: what is billed, what is read again, what counts as needed, and that our policy is the engine itself."""

from __future__ import annotations

from itertools import pairwise

import pytest

from workhand.core.policy import Prices
from workhand.lab.caches import named as cache
from workhand.lab.policies.rivals import named as policy
from workhand.lab.replay import REREAD_OUTPUT_TOKENS, Account, Terms, replay
from workhand.lab.study import BASELINE, Settings, cold_calls, row, session, study
from workhand.lab.synthetic.generator import generate
from workhand.lab.texts import Texts, identifiers, needs, plain
from workhand.lab.trace import Answer, Call, Part, Returned, Said, Trace, chained

PRICES = Prices(write=1.25, read=0.05, output=5.0)
TERMS = Terms(PRICES, 64_000, 1_000)


def look(id: str, text: str, arguments: str = "{}", tool: str = "look") -> tuple[Part, ...]:
    return Answer("", (Call(id, tool, arguments),)), Returned(id, text)


def trace(*parts: Part) -> Trace:
    return Trace("t", "s", (Said("user", "Do it."), *parts, Answer("Done.")))


def run(given: Trace, name: str, terms: Terms = TERMS, cache_name: str = "lcp") -> Account:
    begin = policy(name, limit=terms.limit_tokens, prices=terms.prices)
    return replay(given, begin, cache(cache_name)(), terms)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see src/app/main.py:12: and id-4711.", {"src/app/main.py", "id-4711"}),
        ("plain words are guessed, getUserName and user_name are not", {"getUserName", "user_name"}),
        ('{"path": "a\\nout/b.txt"}', {"out/b.txt"}),
        ("short a1 x.y", set()),
    ],
)
def test_what_a_model_cannot_guess(text: str, found: set[str]) -> None:
    assert identifiers(text) == found


def test_arguments_are_read_as_they_are_meant() -> None:
    assert plain('{"a": ["x\\ny", {"b": "z"}], "n": 7}') == "x\ny\nz\n7"
    assert plain("not JSON") == "not JSON"


def test_an_action_needs_what_a_result_brought_and_nobody_had_said_before() -> None:
    parts = trace(
        *look("1", "brings key-1111 and file_a.txt", '{"path": "told/by/model.txt"}'),
        *look("2", "told/by/model.txt again", '{"key": "key-1111", "new": "made-up-9"}'),
        *look("3", "x", '{"path": "told/by/model.txt", "file": "file_a.txt"}'),
    )
    assert [sorted(words) for words in needs(parts).values()] == [["key-1111"], ["file_a.txt"]]


def test_append_only_pays_every_token_once_and_reads_it_ever_after() -> None:
    given = trace(*look("1", "one two three"), *look("2", "four"))
    texts = Texts(frozenset())
    sizes = [sum(block.tokens for block in texts.of(part)) for part in given.parts]
    outputs = [
        sum(texts.count(text) for text in ("look\n{}",)),
        sum(texts.count(text) for text in ("look\n{}",)),
        texts.count("Done."),
    ]
    lengths = [1_000 + sizes[0], 1_000 + sum(sizes[:3]), 1_000 + sum(sizes[:5])]
    paid = 1.25 * lengths[0]
    paid += sum(0.05 * before + 1.25 * (after - before) for before, after in pairwise(lengths))
    account = run(given, "append-only")
    assert account.cost == pytest.approx(paid + 5 * sum(outputs))
    assert (account.calls, account.breaks, account.rereads) == (3, 0, 0)


def test_what_is_needed_and_not_shown_is_read_again_at_its_price() -> None:
    hidden = "\n".join(f"row {number} value-{number * 7919}" for number in range(3_000))
    given = trace(*look("1", hidden), *look("2", "ok", '{"want": "value-11878500"}'))
    account = run(given, "workhand")
    assert (account.needs, account.needs_shown, account.needs_behind, account.rereads) == (1, 0, 1, 1)
    assert account.output > REREAD_OUTPUT_TOKENS
    assert account.removed == account.restorable > 10_000
    free = run(trace(*look("1", hidden), *look("2", "ok")), "workhand")
    assert account.cost > free.cost


def test_a_word_that_was_read_again_need_not_be_read_a_second_time() -> None:
    hidden = "\n".join(f"row {number} value-{number * 7919}" for number in range(3_000))
    wanting = [look(str(number), "ok", '{"want": "value-11878500"}') for number in (2, 3, 4)]
    assert run(trace(*look("1", hidden), *(part for parts in wanting for part in parts)), "workhand").rereads == 1


def test_a_context_that_the_recorded_agent_cleared_is_cleared_for_all() -> None:
    long = "".join(f"{number} " for number in range(4_000))
    parts = (*look("1", long), *look("2", "z"), Said("user", "Where we are.", resets=True), *look("3", "y"))
    account = run(trace(*parts), "append-only")
    assert account.sizes[-1] < 100 < 4_000 < account.sizes[1]


def test_no_mark_of_ours_is_ever_too_far_from_the_request_before() -> None:
    for given in generate(5, sessions=4, kind="office"):
        assert run(given, "workhand", cache_name="anthropic").mark_misses == 0


def test_our_policy_keeps_its_promises_on_sessions_made_from_a_seed() -> None:
    made = list(chained(generate(11, sessions=12, kind="mixed"), answers_min=60, answers_max=200))
    for outcome in study(made, ["workhand"], Settings(limit_tokens=24_000), processes=1):
        account = outcome.account("workhand")
        assert max(account.sizes) <= 24_000 + 10_000  # a page that was read back
        assert account.restorable == account.removed
        assert account.needs_shown + account.needs_behind == account.needs


def test_every_figure_and_switch_of_our_policy_can_be_changed_by_name() -> None:
    given = generate(3, sessions=1, kind="office")[0]
    plain_cost = run(given, "workhand").cost
    off = "workhand:gate=off,summaries=off,rent_or_buy=off,repeats=off,when_cold=off"
    assert run(given, off, Terms(PRICES, 10**9, 1_000)).removed == 0
    assert run(given, "workhand:preview_tokens=100,observation_tokens_max=300").cost != plain_cost


def test_cold_calls_come_from_recorded_times_and_from_a_share_that_never_changes() -> None:
    timed = Trace("t", "s", tuple(Answer("", at=at) for at in (0.0, 10.0, 400.0, 410.0)))
    assert cold_calls(timed, 300.0, 0.0) == {2}
    many = Trace("u", "s", tuple(Answer("") for _ in range(1_000)))
    assert cold_calls(many, 300.0, 0.1) == cold_calls(many, 300.0, 0.1)
    assert 60 < len(cold_calls(many, 300.0, 0.1)) < 140


def test_a_study_over_processes_gives_what_one_process_gives() -> None:
    made = generate(7, sessions=3, kind="code")
    alone = study(made, ["workhand", "codex"], Settings(), processes=1)
    done: list[int] = []
    assert study(made, ["workhand", "codex"], Settings(), processes=2, done=lambda: done.append(1)) == alone
    assert len(done) == 3


def test_a_row_adds_sessions_up_and_is_relative_to_append_only() -> None:
    made = generate(7, sessions=3, kind="code")
    outcomes = [session(each, policies=(BASELINE, "workhand"), settings=Settings()) for each in made]
    base, ours = row(outcomes, BASELINE), row(outcomes, "workhand")
    assert base.vs_append_only == base.worst_session == 1.0
    costs = [[outcome.account(name).cost for outcome in outcomes] for name in ("workhand", BASELINE)]
    assert ours.vs_append_only == pytest.approx(sum(costs[0]) / sum(costs[1]))
    assert ours.vs_lower_bound == pytest.approx(sum(costs[0]) / sum(outcome.bound for outcome in outcomes))


def test_the_schedule_without_gate_or_summaries_never_goes_below_the_bound() -> None:
    name = "workhand:gate=off,summaries=off,repeats=off,arguments=off"
    for outcome in study(generate(9, sessions=6, kind="mixed"), [name], Settings(10**9), processes=1):
        assert outcome.account(name).cost >= outcome.bound * (1 - 1e-9)
        assert outcome.account(BASELINE).cost >= outcome.bound * (1 - 1e-9)
