"""A fork is as good as a copy, and a way not taken leaves no trace but its price.

What varies by position is the wording over each result.  Events that follow a
rewind stand at later positions than they would have otherwise, so there the
wording may differ, and nothing else may.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import anyio
from hypothesis import given
from hypothesis import strategies as st

from tests.properties.worlds import COURSES, POLICIES, Course, Turn, play, turns
from workhand.core.events import Event, HistorySummarized, Rewound
from workhand.core.log import Log
from workhand.core.policy import Policy
from workhand.core.prompt import Prompt
from workhand.core.render import render
from workhand.store.memory import MemoryStore

ROOT = Path(__file__).resolve().parents[2]


@given(COURSES, st.floats(0, 1), turns(size_min=1, size_max=10))
def test_a_fork_reads_the_same_prompts_as_a_copy(course: Course, share: float, following: tuple[Turn, ...]) -> None:
    position = max(1, int(share * course.log.head))
    fork, copy = anyio.run(forked_and_copied, course, position)
    assert fork == copy == Log.of(course.record[:position])
    prompts = [prompts_of(continued(log, following)) for log in (fork, copy)]
    assert prompts[0] == prompts[1]


@given(POLICIES, turns(size_max=15), turns(size_max=10), st.data())
def test_a_rewound_log_reads_the_same_prompt_as_one_that_never_left(
    policy: Policy, before: tuple[Turn, ...], aside: tuple[Turn, ...], data: st.DataObject
) -> None:
    stayed = play(policy, before).log
    back = play(policy, aside, after=continued(stayed, ())).log.then(Rewound(stayed.head))
    assert render(back, policy) == render(stayed, policy)
    assert back.spent.tokens >= stayed.spent.tokens
    following = events_after(stayed, data.draw(turns(size_min=1, size_max=10)))
    assert worded_alike(after(back, following, shift=back.head - stayed.head), policy) == worded_alike(
        after(stayed, following), policy
    )


def test_prompts_are_the_same_bytes_in_every_process_whatever_its_hash_seed() -> None:
    code = "from tests.core.make_golden import RECORD, prompt_lines; print(prompt_lines(RECORD))"
    said = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(said) == 1


async def forked_and_copied(course: Course, position: int) -> tuple[Log, Log]:
    """Fork and copy a session in a store; give both logs."""
    store = MemoryStore()
    await store.adopt("parent", tuple(course.record), title="", at=0.0, status="waiting")
    await store.fork("parent", position, "fork", title="", at=0.0)
    await store.adopt("copy", tuple(course.record[:position]), title="", at=0.0, status="waiting")
    return Log.of(await store.read("fork")), Log.of(await store.read("copy"))


def continued(log: Log, following: tuple[Turn, ...]) -> Course:
    """Play on from a log."""
    course = Course(following)
    course.logs.append(log)
    return play(log.policy, following, after=course)


def prompts_of(course: Course) -> list[Prompt]:
    return [asked.prompt for asked in course.asked]


def events_after(log: Log, following: tuple[Turn, ...]) -> tuple[Event, ...]:
    return tuple(entry.event for entry in continued(log, following).record)


def after(log: Log, events: tuple[Event, ...], *, shift: int = 0) -> Log:
    """Let the events of another log happen in this one, whose positions are ``shift`` further on."""
    begun = log.head
    for event in events:
        if isinstance(event, HistorySummarized) and event.until + shift >= begun:
            log = log.then(replace(event, until=event.until + shift))
        else:
            log = log.then(event)
    return log


def worded_alike(log: Log, policy: Policy) -> tuple[list[object], str]:
    """Give what a prompt says, with the line over each result left out."""
    pieces = [json.loads(piece) for piece in render(log, policy).body]
    for piece in pieces:
        if piece.get("role") == "tool":
            piece["text"] = piece["text"].partition("\n")[2] or piece["text"]
    return pieces, render(log, policy).tail
