"""What holds for the prompts of every session: they only grow, break where they must, and lose nothing."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given

from tests.properties.worlds import COURSES, COURSES_WITH_REWINDS, REDUCTIONS, Asked, Course, original
from workhand.core.body import body_of, reductions_of
from workhand.core.canonical import digest, encode
from workhand.core.decide import decide
from workhand.core.events import (
    Event,
    FilesNotSaved,
    FilesSaved,
    HistorySummarized,
    ModelAnswered,
    PlanChanged,
    ResultsCompacted,
    ToolReturned,
    UserSaid,
)
from workhand.core.log import Log
from workhand.core.render import LOOK_BACK, render
from workhand.core.transcript import transcript
from workhand.store.codec import decode_line, encode_line

SAVES = (FilesSaved, FilesNotSaved)


@given(COURSES_WITH_REWINDS)
def test_between_reductions_the_body_only_grows(course: Course) -> None:
    bodies = [render(log, course.log.policy).body for log in course.logs]
    for (before, after), entry in zip(pairwise(bodies), course.record[1:], strict=True):
        if not isinstance(entry.event, REDUCTIONS):
            assert after[: len(before)] == before


@given(COURSES_WITH_REWINDS)
def test_prompts_under_different_masks_share_their_bytes(course: Course) -> None:
    assert len({asked.prompt.body[:2] for asked in course.asked}) <= 1
    for before, after in pairwise(course.asked):
        if before.mask != after.mask and not reduced_between(before, after, course):
            assert after.prompt.body[: len(before.prompt.body)] == before.prompt.body


@given(COURSES)
def test_a_compaction_changes_its_results_and_nothing_else(course: Course) -> None:
    for before, after in pairwise(course.logs):
        if isinstance(event := after.entries[-1].event, ResultsCompacted):
            old, new = (render(log, course.log.policy).body for log in (before, after))
            assert len(old) == len(new)
            changed = {at for at in range(len(old)) if old[at] != new[at]}
            assert changed == {at for at in range(len(old)) if call_of(old[at], before) in event.call_ids}


@given(COURSES)
def test_a_cache_may_end_at_the_last_former_request_that_a_compaction_left_alone(course: Course) -> None:
    for asked in course.asked:
        answered = answered_before(asked, course)
        cut = first_difference(answered[-1].prompt.body, asked.prompt.body) if answered else 0
        ends = [len(each.prompt.body) - 1 for each in answered]
        unchanged = max((end for end in (1, *ends) if end < cut), default=1)
        newest = len(asked.prompt.body) - 1
        assert asked.prompt.breakpoints == tuple(sorted({1, unchanged, max(unchanged, newest - LOOK_BACK), newest}))


@given(COURSES)
def test_no_compaction_loses_the_way_to_the_whole(course: Course) -> None:
    body = render(course.log, course.log.policy).body
    results = {event.call_id: event for event in course.log.events if isinstance(event, ToolReturned)}
    for id in reductions_of(course.log).compacted & body_of(course.log, course.log.policy).results.keys():
        (piece,) = (piece for piece in body if call_of(piece, course.log) == id)
        seen = results[id].observation
        assert seen.path is not None
        assert seen.path.encode() in piece
        assert seen.blob == digest(original(id, len(seen.full)).encode())


@given(COURSES)
def test_a_result_is_compacted_once_and_only_if_it_succeeded(course: Course) -> None:
    ids = [id for event in course.log.events if isinstance(event, ResultsCompacted) for id in event.call_ids]
    failed = {e.call_id for e in course.log.events if isinstance(e, ToolReturned) and not e.observation.ok}
    assert len(ids) == len(set(ids))
    assert failed.isdisjoint(ids)


@given(COURSES_WITH_REWINDS)
def test_no_message_of_the_user_no_plan_and_no_error_leaves_the_prompt_but_for_the_file_that_a_summary_names(
    course: Course,
) -> None:
    for asked in course.asked:
        shown = b"\n".join(asked.prompt.body)
        summarized = asked.log.latest(HistorySummarized)
        until = summarized.until if summarized else 0
        kept = transcript(entry for entry in asked.log.entries if entry.position < until)
        for entry in asked.log.entries:
            for words in lasting(entry.event):
                assert encode(words)[1:-1] in shown or (entry.position < until and words in kept)
        assert summarized is None or summarized.log_path.encode() in shown


@given(COURSES_WITH_REWINDS)
def test_every_call_in_view_has_its_result_right_behind_it(course: Course) -> None:
    for asked in course.asked:
        for piece, behind in pairwise((*asked.prompt.body, b"")):
            if b'"calls":[{' in piece:
                assert behind.startswith(b'{"call":')


@given(COURSES_WITH_REWINDS)
def test_a_log_that_was_stored_and_read_again_decides_and_renders_the_same(course: Course) -> None:
    policy = course.log.policy
    lines = [encode_line(entry) for entry in course.record]
    read = Log.of(decode_line(line, "s", position) for position, line in enumerate(lines))
    assert read == course.log
    assert decide(read, policy) == decide(course.log, policy)
    assert render(read, policy) == render(course.log, policy)


def lasting(event: Event) -> tuple[str, ...]:
    """Give what must be read for ever once an event is in view."""
    match event:
        case UserSaid(text):
            return (text,)
        case PlanChanged(plan):
            return (plan.goal, *(phase.title for phase in plan.phases))
        case ToolReturned(_, observation) if not observation.ok:
            return (observation.full,)
    return ()


def call_of(piece: bytes, log: Log) -> str | None:
    """Give the call whose result a piece shows."""
    results = (event.call_id for event in log.events if isinstance(event, ToolReturned))
    return next((id for id in results if piece.startswith(b'{"call":"%s"' % id.encode())), None)


def first_difference(before: tuple[bytes, ...], after: tuple[bytes, ...]) -> int:
    """Give the first piece that is not as it was; past the end if the body has only grown."""
    return next((at for at, (old, new) in enumerate(zip(before, after, strict=False)) if old != new), len(before))


def answered_before(asked: Asked, course: Course) -> list[Asked]:
    """Give the earlier questions that were answered."""
    return [each for each in course.asked if each.log.head < asked.log.head and was_answered(each, course)]


def was_answered(asked: Asked, course: Course) -> bool:
    """Say whether an answer came next, but for the files that were saved meanwhile."""
    brought = (entry.event for entry in course.record[asked.log.head :])
    return isinstance(next(event for event in brought if not isinstance(event, SAVES)), ModelAnswered)


def reduced_between(before: Asked, after: Asked, course: Course) -> bool:
    between = course.record[before.log.head : after.log.head]
    return any(isinstance(entry.event, REDUCTIONS) for entry in between)
