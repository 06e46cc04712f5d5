"""The audit: unplanned breaks are found with their piece and byte, and every shortfall has a reason."""

from __future__ import annotations

from dataclasses import replace

from tests.core.playbook import BEGUN, POLICY, Part, answered, call, filed, log
from workhand.core.audit import Audit, audit
from workhand.core.body import body_of
from workhand.core.canonical import digest
from workhand.core.events import ModelAnswered, PrefixBroken, ResultsCompacted, Rewound, Usage, UserSaid
from workhand.core.log import Entry, Log
from workhand.core.render import render

LONG = tuple(filed(f"c{n}") for n in range(5))


def sent(auditor: Audit, played: Log) -> PrefixBroken | None:
    """Check and send the prompt of a log."""
    prompt = render(played, POLICY)
    broken = auditor.check(played, POLICY, prompt)
    auditor.sent(prompt.body)
    return broken


def test_a_body_that_grows_is_as_planned() -> None:
    auditor = Audit()
    played = log(*BEGUN)
    checks = []
    for parts in LONG:
        checks.append(sent(auditor, played))
        for event in parts:
            played = played.then(event)
    assert checks == [None] * 5


def test_a_recorded_compaction_is_planned_and_a_change_before_its_cut_is_not() -> None:
    auditor = Audit()
    played = log(*BEGUN, *LONG)
    sent(auditor, played)
    reduced = played.then(ResultsCompacted(("c3",)))
    assert auditor.check(reduced, POLICY, render(reduced, POLICY)) is None
    pieces = list(render(reduced, POLICY).body)
    pieces[3] = pieces[3].replace(b"report", b"raport")
    found = auditor.check(reduced, POLICY, replace(render(reduced, POLICY), body=tuple(pieces)))
    assert found is not None
    assert (found.piece, found.byte) == (3, render(reduced, POLICY).body[3].index(b"report") + 1)


def test_a_body_that_lost_its_end_is_broken() -> None:
    auditor = Audit()
    played = log(*BEGUN, *LONG)
    sent(auditor, played)
    shorter = replace(render(played, POLICY), body=render(played, POLICY).body[:4])
    found = auditor.check(played, POLICY, shorter)
    assert found is not None and found.piece == 4


def test_after_a_rewind_the_prompt_may_be_another() -> None:
    auditor = Audit()
    played = log(*BEGUN, *LONG)
    sent(auditor, played)
    back = played.then(Rewound(6)).then(UserSaid("Otherwise."))
    assert auditor.check(back, POLICY, render(back, POLICY)) is None


def awake(digest_of: str) -> Log:
    """Wake a session whose last request had a digest."""
    before = log(*BEGUN)
    answer = replace(answered(call("c1", "shell_run")), prompt_digest=digest_of)
    return before.then(answer).then(filed("c1")[2])


def test_a_session_that_wakes_is_compared_with_the_digest_of_its_last_request() -> None:
    body = b"".join(piece + b"\n" for piece in render(log(*BEGUN), POLICY).body)
    same, other = awake(digest(body)), awake("0" * 64)
    assert Audit().check(same, POLICY, render(same, POLICY)) is None
    found = Audit().check(other, POLICY, render(other, POLICY))
    assert found == PrefixBroken(-1, 0, "the session renders differently than when it was last awake")


def test_the_digest_of_a_body_does_not_depend_on_what_was_hashed_before() -> None:
    played = log(*BEGUN, *LONG)
    auditor = Audit()
    for end in (3, 5, 9, 4, 9):
        body = render(played, POLICY).body[:end]
        assert auditor.sent(body) == digest(b"".join(piece + b"\n" for piece in body))


def reasons(*parts: Part, shared: tuple[float, ...] = ()) -> list[str]:
    """Play answers of which each found a share of the request before it in the cache; give the reasons of all."""
    played = log(*BEGUN)
    played = Log.of(Entry(e.position, float(e.position), e.event) for e in played.entries)
    shares = iter(shared)
    for part in parts:
        for event in part if isinstance(part, tuple) else (part,):
            if isinstance(event, ModelAnswered):
                prompt = render(played, POLICY)
                before = body_of(played, POLICY).end_of(body_of(played, POLICY).asked[-1])
                usage = Usage(prompt.size // 4, round(before / 4 * next(shares, 1.0)))
                answer = replace(event, usage=usage, prompt_bytes=prompt.size)
                played = played.then(answer, played.entries[-1].at + 1)
            else:
                played = played.then(event, played.entries[-1].at + 1)
    return [each.reason for each in audit(played)]


def test_every_call_that_missed_its_cache_has_a_reason() -> None:
    assert reasons(*LONG, shared=(1.0, 1.0, 0.2, 1.0, 1.0)) == ["first", "", "", "provider", "", ""]


def test_a_reduction_and_an_unplanned_break_are_told_apart() -> None:
    parts: tuple[Part, ...] = (*LONG[:4], ResultsCompacted(("c0",)), LONG[4], PrefixBroken(2, 0, "odd"), filed("c9"))
    assert reasons(*parts, shared=(1, 1, 1, 1, 0.3, 0.1))[-2:] == ["reduced", "broken"]


def test_a_long_wait_explains_a_cold_cache() -> None:
    played = log(*BEGUN, LONG[0])
    prompt = render(played, POLICY)
    late = replace(answered(call("c9", "file_read")), usage=Usage(prompt.size // 4, 0), prompt_bytes=prompt.size)
    waited = played.then(UserSaid("Still there?"), played.entries[-1].at + 600).then(late, played.entries[-1].at + 601)
    assert audit(waited)[-1].reason == "cold"
