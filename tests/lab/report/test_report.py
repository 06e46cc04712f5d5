"""What a report says of a session: every figure follows from the log."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.lab.report.session import POLICY, Made, session
from workhand.core.canonical import encode
from workhand.core.events import (
    ModelAnswered,
    ModelSwitched,
    Observation,
    PrefixBroken,
    PricesChanged,
    ResultsCompacted,
    Rewound,
    SessionStarted,
    SummaryRejected,
    ToolCall,
    ToolReturned,
    Usage,
    UserSaid,
)
from workhand.core.log import Log
from workhand.core.policy import Choice, Prices, Route, Rules, Window
from workhand.lab.hindsight.optimum import Step, optimum
from workhand.lab.report.account import Report, report
from workhand.lab.report.blocks import Block
from workhand.lab.report.findings import Break, Failure, Previews, Reread, SummaryAsked, Switch
from workhand.lab.report.instead import original_bytes, steps

PRICES = Prices(read=0.1, write=1.25, output=5.0, lifetime_s=300.0)
PLAIN = replace(POLICY, system_prompt="W" * 3_000, tools=(), prices=PRICES, keep_full_results=0)
RESULT = ".workhand/results/c1-shell_run.txt"


def answered(id: str, tool: str, arguments: str, usage: Usage) -> ModelAnswered:
    return ModelAnswered("", (ToolCall(id, tool, arguments),), usage, "one", 4_000, "")


def log_of(*timed: tuple[float, object]) -> Log:
    log = Log()
    for at, event in timed:
        log = log.then(event, at)  # type: ignore[arg-type]  # every one of them is an event
    return log


PREVIEW = Observation(
    "a line of the head\n" * 30, f"seq; all 10,000 bytes are in {RESULT}", True, "ab", RESULT, "preview"
)
WHOLE = Observation("fine", "fine")
SMALL = log_of(
    (0, SessionStarted(PLAIN)),
    (0, UserSaid("Count.")),
    (1, answered("c1", "shell_run", '{"command":"seq 1 2000"}', Usage(1_000, 0, 1_000, 10, cost_usd=0.5))),
    (2, ToolReturned("c1", PREVIEW)),
    (3, answered("c2", "shell_run", '{"command":"cat none"}', Usage(1_100, 1_000, 100, 20, cost_usd=0.25))),
    (4, ToolReturned("c2", Observation("no such file", "no such file", ok=False))),
    (5, answered("c3", "file_read", f'{{"path":"{RESULT}"}}', Usage(1_200, 1_100, 100, 10, cost_usd=0.25))),
    (6, ToolReturned("c3", Observation("1\n2\n3", "1\n2\n3"))),
    (7, ResultsCompacted(("c1",), why="rent")),
    (8, SummaryRejected(("The state is empty.",), Usage(1_200, 1_200, 0, 4, cost_usd=0.25), "one")),
    (9, PrefixBroken(3, 17, "it was rendered differently")),
    (10, answered("c4", "shell_run", '{"command":"ls"}', Usage(1_200, 300, 900, 10, cost_usd=0.5))),
    (11, ToolReturned("c4", WHOLE)),
    (1_000, answered("c5", "message_result", '{"text":"Done."}', Usage(1_300, 0, 1_300, 10, cost_usd=0.5))),
)


@pytest.fixture(scope="module")
def small() -> Report:
    return report(SMALL)


def test_calls_are_billed_at_their_prices(small: Report) -> None:
    assert [(call.number, call.cost, call.uncached_cost, call.reason) for call in small.calls] == [
        (1, 1_300.0, 1_050.0, "first"),
        (2, 325.0, 1_200.0, ""),
        (3, 285.0, 1_250.0, ""),
        (4, 1_205.0, 1_250.0, "broken"),
        (5, 1_675.0, 1_350.0, "cold"),
    ]
    assert (small.totals.cost, small.totals.cost_usd, small.totals.uncached_cost) == (4_930.0, 2.25, 7_320.0)


def test_a_sum_of_money_is_shown_only_if_every_price_is_known() -> None:
    unpriced = SMALL.then(answered("c6", "shell_run", "{}", Usage(1_300, 1_300, 0, 1)), 1_001)
    assert report(unpriced).totals.cost_usd is None


def test_what_happened_to_the_context_is_listed_with_the_call_it_belongs_to(small: Report) -> None:
    assert small.rereads == (Reread(3, RESULT, "c1", "preview", 5),)
    assert small.previews == (Previews("shell_run", 1, 1),)
    assert small.failures == (Failure(5, 2, "c2", "shell_run", "ran", 2),)
    assert small.breaks == (Break(10, 4, 3, 17, "it was rendered differently"),)
    asked = Usage(1_200, 1_200, 0, 4, cost_usd=0.25)
    assert small.summaries == (SummaryAsked(9, 4, False, ("The state is empty.",), asked, 140.0),)


def test_a_reduction_says_what_it_took_and_what_had_to_be_sent_anew(small: Report) -> None:
    (reduction,) = small.reductions
    shown = {block.kind: block.bytes for block in small.blocks if block.call == "c1" and block.kind != "assistant"}
    behind = sum(block.bytes for block in small.blocks if block.position in (4, 5) and block.last == 5)
    per_byte = 1_200 / 4_000
    rewritten = round((shown["compacted"] + behind) * per_byte)
    assert (reduction.position, reduction.call, reduction.what, reduction.why, reduction.results) == (
        *(8, 4, "compaction"),
        *("rent", 1),
    )
    assert reduction.removed_bytes == shown["preview"] - shown["compacted"]
    assert reduction.rewritten_tokens == rewritten
    assert reduction.cost == pytest.approx(rewritten * 1.15, rel=0.01)


def test_a_block_is_known_by_the_form_it_was_shown_in_and_by_its_calls(small: Report) -> None:
    said = [(block.kind, block.first, block.last, block.call, block.text, block.ok) for block in small.blocks]
    assert said == [
        ("tools", 1, 5, "", "0 tools", True),
        ("system", 1, 5, "", "W" * 99 + "…", True),
        ("user", 1, 5, "", "Count.", True),
        ("assistant", 2, 5, "c1", "shell_run seq 1 2000", True),
        ("preview", 2, 3, "c1", "shell_run seq 1 2000", True),
        ("assistant", 3, 5, "c2", "shell_run cat none", True),
        ("result", 3, 5, "c2", "shell_run cat none", False),
        ("compacted", 4, 5, "c1", "shell_run seq 1 2000", True),
        ("assistant", 4, 5, "c3", f"file_read {RESULT}", True),
        ("result", 4, 5, "c3", f"file_read {RESULT}", True),
        ("assistant", 5, 5, "c4", "shell_run ls", True),
        ("result", 5, 5, "c4", "shell_run ls", True),
    ]


def test_what_the_last_request_hid_is_counted_by_the_size_of_its_originals(small: Report) -> None:
    totals = small.totals
    assert (totals.hidden_bytes, totals.restorable_bytes, totals.unstated) == (10_000, 10_000, 0)
    assert (totals.peak_tokens, totals.peak_call, totals.mean_tokens) == (1_300, 5, 1_160.0)


def test_append_only_has_originals_for_previews_and_no_call_that_reads_them_again(small: Report) -> None:
    tokens = [call.append_only_tokens for call in small.calls]
    own = [sum(share.bytes for share in call.shares) for call in small.calls]
    assert tokens[2] is None
    assert tokens[0] == 1_000
    assert tokens[1] is not None
    shown = len(PREVIEW.full)
    longer = (10_000 - shown) * (len(encode(PREVIEW.full)) - 2) / shown  # its line feeds take two bytes in JSON
    assert tokens[1] == pytest.approx(1_100 * (own[1] + longer) / own[1], abs=1)
    assert small.calls[2].append_only_cost == 0


def test_append_only_has_neither_the_call_that_read_again_nor_what_it_brought(small: Report) -> None:
    own = sum(share.bytes for share in small.calls[3].shares)
    again = sum(block.bytes for block in small.blocks if block.call == "c3")
    shown = len(PREVIEW.full)
    longer = (10_000 - shown) * (len(encode(PREVIEW.full)) - 2) / shown
    size = own - again + small.reductions[0].removed_bytes + longer
    assert small.calls[3].append_only_tokens == pytest.approx(1_200 * size / own, abs=1)


def test_a_call_costs_what_the_prices_at_its_time_say() -> None:
    cliff = Prices(read=0.1, write=1.25, output=5.0, cliff_tokens=1_250, cliff_factor=2.0)
    log = log_of(
        (0, SessionStarted(PLAIN)),
        (0, UserSaid("Count.")),
        (1, answered("c1", "shell_run", "{}", Usage(1_000, 500, 0, 10))),
        (2, PricesChanged(replace(cliff, read=0.5))),
        (3, answered("c2", "shell_run", "{}", Usage(1_000, 500, 0, 10))),
        (4, answered("c3", "shell_run", "{}", Usage(1_300, 1_000, 0, 10))),
        (5, SummaryRejected(("No.",), Usage(100, 100, 0, 0), "one")),
    )
    found = report(log)
    assert [call.cost for call in found.calls] == [600.0, 800.0, 1_700.0]
    assert [call.uncached_cost for call in found.calls] == [1_050.0, 1_050.0, 2_700.0]
    assert [asked.cost for asked in found.summaries] == [50.0]


@pytest.mark.parametrize("log", [SMALL, session(120)])
def test_the_blocks_of_a_call_add_up_to_its_request(log: Log) -> None:
    found = report(log)
    for call in found.calls:
        sizes: dict[str, int] = {}
        for block in found.blocks:
            if block.first <= call.number <= block.last:
                sizes[block.kind] = sizes.get(block.kind, 0) + block.bytes
        assert sizes == {share.kind: share.bytes for share in call.shares}
        assert sum(share.tokens for share in call.shares) == call.input_tokens


def test_the_blocks_of_a_call_are_as_long_as_what_was_sent() -> None:
    log = session(120)
    sent = [event.prompt_bytes for event in log.events if isinstance(event, ModelAnswered)]
    assert [sum(share.bytes for share in call.shares) for call in report(log).calls] == sent


def test_a_session_that_reduced_nothing_cost_what_append_only_costs() -> None:
    off = Rules(gate=False, repeats=False, rent_or_buy=False, when_cold=False, summaries=False)
    log = session(60, policy=replace(POLICY, rules=off, window=Window(10**6, 10**6, 10**6)))
    totals = report(log).totals
    assert [event for event in log.events if isinstance(event, ResultsCompacted)] == []
    assert totals.append_only_cost == pytest.approx(totals.cost - 365, rel=0.01)  # 365: of the summary that was refused


def test_another_model_is_listed_and_billed_at_its_own_prices() -> None:
    dear = Prices(read=0.5, write=1.0, output=10.0)
    routed = replace(PLAIN, routes=(Route("act", (Choice(PLAIN.model), Choice("two", prices=dear))),))
    found = report(
        log_of(
            (0, SessionStarted(routed)),
            (0, UserSaid("Count.")),
            (1, answered("c1", "shell_run", "{}", Usage(1_000, 0, 1_000, 10))),
            (2, ToolReturned("c1", WHOLE)),
            (3, ModelSwitched("act", "two", "It is down.")),
            (
                4,
                replace(answered("c2", "shell_run", "{}", Usage(1_000, 0, 0, 10)), model="two", missed="model_changed"),
            ),
            (5, ToolReturned("c2", WHOLE, how="refused")),
        )
    )
    assert found.switches == (Switch(2, "act", "two", "It is down."),)
    assert [(call.cost, call.because) for call in found.calls] == [
        (1_300.0, "the first request: there was nothing to reuse"),
        (1_100.0, "another model answered than before; the provider says: model_changed"),
    ]
    assert found.refused_calls == 1


def test_reductions_make_a_long_session_cheaper_than_append_only() -> None:
    totals = report(session(120)).totals
    assert totals.cost < 0.6 * totals.append_only_cost < totals.uncached_cost


def test_only_what_is_in_view_is_reported() -> None:
    rewound = SMALL.then(Rewound(to=4), 2_000).then(
        answered("c9", "shell_run", "{}", Usage(1_050, 1_000, 50, 1)), 2_001
    )
    found = report(rewound)
    assert [(call.position, call.reason) for call in found.calls] == [(2, "first"), (15, "rewound")]
    assert [block.call for block in found.blocks if block.kind == "preview"] == ["c1"]


def test_a_log_without_a_call_has_an_empty_report() -> None:
    found = report(Log().then(SessionStarted(PLAIN)).then(UserSaid("Count.")))
    assert (found.calls, found.blocks, found.totals.calls, found.totals.cost) == ((), (), 0, 0)


def test_a_report_has_one_form_as_json(small: Report) -> None:
    assert encode(small) == encode(report(SMALL))


def test_the_optimum_is_that_of_the_steps_of_the_session(small: Report) -> None:
    assert small.totals.optimum_cost is None
    assert report(SMALL, in_hindsight=True).totals.optimum_cost == optimum(steps(SMALL)).cost


def test_a_step_is_what_was_said_answered_and_brought() -> None:
    made = Made(replace(PLAIN, rules=Rules(gate=False)))
    made.note(UserSaid("x" * 398))  # 400 bytes as JSON
    made.back(made.ask("shell_run", {"command": "ls"}), "y" * 4_000)
    made.ask("shell_run", {"command": "ls"}, wait_s=1_000)
    per_token = 4.0
    first, second = steps(made.log).steps
    (brought,) = first.results
    assert (first.said_tokens, brought.full, first.cold) == (100, round(4_002 / per_token), False)
    assert 20 < brought.compact < 60
    assert second == Step(first.answer_tokens, cold=True)


def test_the_size_of_an_original_is_what_its_compact_form_states() -> None:
    assert original_bytes(PREVIEW) == 10_000
    assert original_bytes(WHOLE) == 4
    assert original_bytes(Observation("head", "no size", form="preview")) is None
    assert original_bytes(Observation("x", "all 1,000 bytes are in a; all 12 bytes are in b")) == 12


def test_a_text_is_cut_to_a_line_that_can_be_written() -> None:
    arguments = f'{{"command":"\\ud800 {"a" * 500_000}\\n{"b" * 500_000}"}}'
    log = SMALL.then(answered("c6", "shell_run", arguments, Usage(1_300, 1_300, 0, 1)), 1_001)
    last = report(log).calls[-1].did
    assert (len(last), last[:13], last[-1]) == (100, "shell_run ? a", "…")


def test_a_recital_is_one_block_for_as_long_as_it_stays_the_same() -> None:
    recitals = [block for block in report(session(12)).blocks if block.kind == "recital"]
    assert recitals == [Block("recital", recitals[0].bytes, 1, 12, text=recitals[0].text)]
