"""A context does what the engine does, records all of it, and gives everything back."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from tests.context.plays import fresh, lines, summary_of, turn
from workhand.context import Context, Prompt, ToolCall, Usage, Window, begin, load
from workhand.core.events import (
    HistorySummarized,
    ModelFailed,
    PrefixBroken,
    ResultsCompacted,
    SummaryRejected,
    ToolReturned,
)
from workhand.core.log import Entry, Log
from workhand.core.mask import Mask
from workhand.core.policy import Policy
from workhand.core.render import render
from workhand.errors import ConfigError, ContextOverflow, StoreError

SMALL = Window(hard=8_000, pre_rot=8_000, trigger=4_000)


def test_a_large_result_enters_as_a_preview_and_its_original_comes_back_byte_for_byte(tmp_path: Path) -> None:
    original = lines(5_000).encode() + b"\xff\x00 no text"
    context = fresh(keep=tmp_path)
    context.user("Find it.")

    turn(context, 1, original)

    shown = context.prompt().body[-1]
    assert len(shown) < 4_000
    assert b".workhand/results/call_1-web_search.txt" in shown
    assert (tmp_path / ".workhand/results/call_1-web_search.txt").read_bytes() == original
    assert context.restore("call_1") == original


@pytest.mark.parametrize("original", [b"", b"short", b"\xff\xfe short and no text", "dür\N{GRINNING FACE}".encode()])
def test_a_short_result_comes_back_byte_for_byte_whatever_it_holds(original: bytes) -> None:
    context = fresh()
    context.user("Find it.")

    turn(context, 1, original)

    assert context.restore("call_1") == original


def test_an_equal_result_enters_as_a_pointer_to_the_one_in_view() -> None:
    context = fresh()
    context.user("Find it.")
    turn(context, 1, lines(20))

    turn(context, 2, lines(20))

    assert b"as the result of call_1 above" in context.prompt().body[-1]
    assert context.restore("call_2") == context.restore("call_1")


def test_without_a_model_for_summaries_a_full_context_is_compacted() -> None:
    context = fresh(window=SMALL)
    context.user("Find it.")
    for number in range(12):
        context.reduce()
        turn(context, number, lines(38, f"result {number}"))

    assert {type(event) for event in context.log.events} >= {ResultsCompacted}
    assert HistorySummarized not in context.log.last
    assert context.tokens < 8_000
    assert context.breaks == ()
    assert all(context.restore(f"call_{number}") == lines(38, f"result {number}").encode() for number in range(12))


def test_prompts_only_grow_between_reductions_and_no_break_is_unplanned() -> None:
    context = fresh(window=SMALL)
    context.user("Find it.")
    prompts: list[tuple[Prompt, bool]] = []
    for number in range(15):
        reduced = bool(context.reduce(lambda prompt, instruction: summary_of(context)))
        prompts.append((turn(context, number, lines(38, f"result {number}")), reduced))

    assert HistorySummarized in context.log.last
    for (before, _), (after, reduced) in pairwise(prompts):
        assert reduced or after.body[: len(before.body)] == before.body
    assert {call.reason for call in context.audit()} <= {"first", "reduced", "provider", ""}


def test_a_summary_is_asked_for_on_the_prompt_just_read_and_its_history_is_kept(tmp_path: Path) -> None:
    context = fresh(window=SMALL, keep=tmp_path)
    context.user("Find the answer to everything.")
    context.plan("the answer", ["look", "tell"])
    asked: list[tuple[Prompt, str]] = []

    def summarize(prompt: Prompt, instruction: str) -> tuple[str, Usage]:
        asked.append((prompt, instruction))
        return summary_of(context), Usage(input_tokens=4_000, output_tokens=50)

    last = [turn(context, number, lines(38, f"result {number}")) for number in range(12)][-1]
    (event,) = context.reduce(summarize)

    ((prompt, instruction),) = asked
    assert isinstance(event, HistorySummarized)
    assert event.usage == Usage(input_tokens=4_000, output_tokens=50)
    assert prompt.body[: len(last.body)] == last.body
    assert prompt.tail == instruction
    assert "- the answer" in instruction
    assert "Find the answer to everything." in (tmp_path / event.log_path).read_text()
    assert b"[summary]" in context.prompt().body[2]
    assert context.tokens < 4_000


def test_a_summary_with_faults_is_refused_with_reasons_and_asked_for_again() -> None:
    context = fresh(window=SMALL)
    context.user("Find it.")
    context.plan("the answer", ["look", "tell"])
    answers = ["no JSON", summary_of(context, files=[{"where": "made/up.txt", "what": ""}])]
    instructions: list[str] = []

    def summarize(prompt: Prompt, instruction: str) -> str:
        instructions.append(instruction)
        return answers[len(instructions) - 1]

    for number in range(12):
        turn(context, number, lines(38, f"result {number}"))
    first, second, *others = context.reduce(summarize)

    assert isinstance(first, SummaryRejected)
    assert first.reasons == ("It holds no JSON object.",)
    assert "It holds no JSON object." in instructions[1]
    assert isinstance(second, SummaryRejected)
    assert second.reasons == ("There is no file 'made/up.txt'.",)
    assert [type(event) for event in others] == [ResultsCompacted]


@pytest.mark.anyio
async def test_the_async_twin_records_the_same() -> None:
    logs: list[Log] = []
    for waits in (False, True):
        context = fresh(window=SMALL)
        context.user("Find it.")
        for number in range(12):
            turn(context, number, lines(38, f"result {number}"))

        def summarize(prompt: Prompt, instruction: str, context: Context = context) -> str:
            return summary_of(context)

        async def summarize_later(prompt: Prompt, instruction: str, context: Context = context) -> str:
            return summary_of(context)

        await context.reduce_async(summarize_later) if waits else context.reduce(summarize)
        logs.append(context.log)

    assert logs[0] == logs[1]
    assert HistorySummarized in logs[0].last


def test_what_a_model_for_summaries_raises_passes_through_and_an_overflow_counts_as_refused() -> None:
    context = fresh(window=SMALL)
    context.user("Find it.")
    for number in range(12):
        turn(context, number, lines(38, f"result {number}"))
    before = context.log

    def fails(prompt: Prompt, instruction: str) -> str:
        raise OSError("no route")

    def overflows(prompt: Prompt, instruction: str) -> str:
        raise ContextOverflow(9_000, 8_000)

    with pytest.raises(OSError, match="no route"):
        context.reduce(fails)
    assert context.log == before
    assert [type(event) for event in context.reduce(overflows)] == [SummaryRejected, SummaryRejected, ResultsCompacted]


def test_a_prompt_that_did_not_fit_is_reduced_at_once() -> None:
    context = fresh()
    context.user("Find it.")
    for number in range(4):
        turn(context, number, lines(38, f"result {number}"))
    context.prompt()

    context.overflowed("too long")

    assert ModelFailed in context.log.last
    (event,) = context.reduce()
    assert event == ResultsCompacted(("call_0", "call_1", "call_2"), why="overflow")


def test_a_context_that_was_saved_and_loaded_goes_on_with_the_same_bytes(tmp_path: Path) -> None:
    context = fresh(window=SMALL, keep=tmp_path)
    context.user("Find it.")
    for number in range(10):
        context.reduce()
        turn(context, number, lines(38, f"result {number}"))

    loaded = load(context.save(), keep=tmp_path, now=lambda: 2_000.0)

    assert loaded.log == context.log
    assert loaded.prompt() == context.prompt()
    assert loaded.breaks == ()
    assert loaded.usage == context.usage
    assert loaded.restore("call_0") == context.restore("call_0")
    assert loaded.save() == context.save()


def test_a_context_loaded_with_open_calls_takes_their_results() -> None:
    context = fresh()
    context.user("Find it.")
    context.prompt()
    context.answer("", (ToolCall("a", "web_search", "{}"), ToolCall("b", "web_search", "{}")))
    context.result("a", "one")

    loaded = load(context.save())
    loaded.result("b", "two")

    assert [loaded.restore("a"), loaded.restore("b")] == [b"one", b"two"]


def test_a_log_that_renders_otherwise_than_when_it_was_saved_is_reported_as_broken() -> None:
    context = fresh()
    context.user("Find it.")
    turn(context, 1, "found")
    loaded = load(context.save().replace(b'"Find it."', b'"Find us."'))

    loaded.prompt()
    loaded.prompt()

    assert loaded.breaks == (PrefixBroken(-1, 0, "the session renders differently than when it was last awake"),)


def test_an_id_that_was_used_or_that_no_api_takes_is_replaced() -> None:
    context = fresh()
    context.user("Find it.")
    first = context.answer("", (ToolCall("call_0", "web_search", "{}"), ToolCall("../../x", "../../y", "{}")))
    for each in first:
        context.result(each.id, lines(500))

    second = context.answer("", (ToolCall("call_0", "web_search", "{}"),))

    assert [call.id for call in (*first, *second)] == ["call_0", "c2_1", "c5"]
    seen = context.log.latest(ToolReturned)
    assert seen is not None
    assert seen.observation.path == ".workhand/results/c2_1-.._.._y.txt"


def test_results_are_demanded_before_the_model_is_asked_again() -> None:
    context = fresh()
    context.user("Find it.")
    context.answer("", (ToolCall("a", "web_search", "{}"),))

    for act in (context.prompt, context.reduce, context.answer):
        with pytest.raises(ConfigError, match="These calls have no result yet: a;"):
            act()
    with pytest.raises(ConfigError, match="No open call has the id 'b'; the open ones are: a"):
        context.result("b", "found")


def test_what_the_user_says_before_the_answer_comes_breaks_nothing() -> None:
    context = fresh()
    context.user("Find it.")
    before = context.prompt()
    context.user("Hurry.")
    context.answer("Yes.")
    context.user("Go on.")

    after = context.prompt()
    loaded = load(context.save())

    assert after.body[: len(before.body)] == before.body
    assert loaded.prompt() == after
    assert context.breaks == loaded.breaks == ()


def test_a_changed_original_is_not_passed_off_as_the_one_that_was_kept(tmp_path: Path) -> None:
    context = fresh(keep=tmp_path)
    context.user("Find it.")
    turn(context, 1, lines(500))
    (tmp_path / ".workhand/results/call_1-web_search.txt").write_text("changed")

    with pytest.raises(StoreError, match="is not what was kept there"):
        context.restore("call_1")


def test_a_directory_of_originals_cannot_be_left_through_a_link(tmp_path: Path) -> None:
    outside, workspace = tmp_path / "outside", tmp_path / "workspace"
    outside.mkdir()
    workspace.mkdir()
    (workspace / ".workhand").symlink_to(outside)
    context = fresh(keep=workspace)
    context.user("Find it.")

    with pytest.raises(ConfigError, match="leads out of"):
        turn(context, 1, lines(500))
    assert list(outside.iterdir()) == []


def test_a_function_can_keep_the_originals() -> None:
    kept: dict[str, bytes] = {}
    context = fresh(keep=kept.__setitem__)
    context.user("Find it.")

    turn(context, 1, lines(500))

    assert kept == {".workhand/results/call_1-web_search.txt": lines(500).encode()}
    with pytest.raises(StoreError, match="handed to the function"):
        context.restore("call_1")


def test_slices_of_an_original_are_read_with_their_place_in_it() -> None:
    context = fresh()
    context.user("Find it.")
    turn(context, 1, lines(500))

    assert context.read(".workhand/results/call_1-web_search.txt", 499, 5) == (
        ".workhand/results/call_1-web_search.txt lines 499-500 of 500\n"
        "line 498 of a long listing that goes on\nline 499 of a long listing that goes on"
    )


def test_a_call_that_holds_a_note_about_content_is_refused() -> None:
    context = fresh(window=SMALL)
    context.user("Write it.")
    for number in range(6):
        context.prompt()
        arguments = json.dumps({"path": f"f{number}", "text": "x" * 3_000})
        context.answer("", (ToolCall(f"w{number}", "file_write", arguments),))
        context.result(f"w{number}", "done")
    context.reduce()
    shown = next(piece for piece in context.prompt().body if b'"calls":[' in piece).decode()

    assert "[compacted: 3,000 bytes" in shown
    copied = ToolCall("w9", "file_write", '{"path":"f9","text":"[compacted: 3,000 bytes, sha256 ...]"}')
    assert "Not run" in (context.refusal(copied) or "")
    assert context.refusal(ToolCall("w9", "file_write", '{"path":"f9","text":"text"}')) is None
    assert context.originals.read(".workhand/calls/w0.json").endswith(b'x"}')


def test_calls_of_one_answer_that_are_compacted_one_after_the_other_render_as_in_a_log_that_was_read_again() -> None:
    context = fresh()
    context.user("Write it.")
    long = [ToolCall(id, "file_write", json.dumps({"path": id, "text": id * 1_000})) for id in ("a", "b")]
    context.answer("", long)
    for call in long:
        context.result(call.id, "done")
    log = context.log
    for call in long:
        log = log.then(ResultsCompacted((), arguments=(call.id,)))
        shown = render(log, context.policy)

    read = Log.of(Entry(entry.position, entry.at, entry.event) for entry in log.entries)

    assert shown == render(read, context.policy)
    assert shown.body[3].count(b"[compacted: 1,000 bytes") == 2


def test_masks_name_tools_by_their_family_and_never_touch_the_prompt() -> None:
    context = fresh()

    assert context.mask() == Mask("auto", ("file_write", "web_search"))
    assert context.mask("file_") == Mask("specified", ("file_write",))


def test_a_window_of_one_figure_gives_the_thresholds_that_the_executor_has() -> None:
    context = begin("Work.", window=32_000)

    assert context.policy.window == Window(32_000, 32_000, 22_400)
    assert context.policy.answer_tokens_max == 4_000


def test_a_record_without_a_beginning_is_refused() -> None:
    with pytest.raises(ConfigError, match="must begin with SessionStarted"):
        Context(())


def test_the_prompt_is_what_the_runtime_would_send_for_the_same_log() -> None:
    context = fresh()
    context.user("Find it.")
    turn(context, 1, lines(500))
    policy: Policy = context.policy

    assert context.prompt() == render(Log.of(context.log.entries), policy)
