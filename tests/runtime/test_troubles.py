"""Models in trouble: what is retried, counted, compacted, waited for."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

import pytest

from tests.core.playbook import PLAN_ARGUMENTS, POLICY
from tests.runtime.test_sessions import DELIVERED, PLANNED
from tests.runtime.worlds import World, kinds, last
from workhand.core.events import (
    FilesSaved,
    ModelAnswered,
    ModelFailed,
    ModelRetried,
    ModelSwitched,
    ResultsCompacted,
    Resumed,
    SessionEnded,
    ToolCall,
    UserSaid,
)
from workhand.core.mask import Mask
from workhand.core.policy import Choice, Route, Window
from workhand.core.ports import Retry, Watch
from workhand.core.prompt import Prompt
from workhand.errors import ContextOverflow, MalformedAnswer, ModelError, ModelRefused, ModelUnavailable
from workhand.testing.model import Say, ScriptedModel, script
from workhand.testing.toolbox import LedgerToolbox, brought

pytestmark = pytest.mark.anyio

MALFORMED = MalformedAnswer("The answer is not JSON.")
UNAVAILABLE = ModelUnavailable("The server is overloaded.")


@dataclass
class Troubled:
    """A scripted model to which one thing after another happens before it answers; ``None`` is nothing."""

    scripted: ScriptedModel
    troubles: deque[ModelError | Retry | None] = field(default_factory=deque)

    async def answer(self, prompt: Prompt, mask: Mask, *, session: str, watch: Watch) -> ModelAnswered:
        match self.troubles.popleft() if self.troubles else None:
            case ModelError() as error:
                raise error
            case Retry() as retry:
                watch(retry)
        return await self.scripted.answer(prompt, mask, session=session, watch=watch)


def world(*troubles: ModelError | Retry | None, says: tuple[Say, ...] = (DELIVERED,)) -> World:
    model = Troubled(ScriptedModel(script(PLANNED, *says)), deque(troubles))
    policy = replace(POLICY, window=Window(100_000, 100_000, 90_000))
    return World(policy, model, LedgerToolbox(lambda call: brought(call.id + "x" * 3_000)))


async def test_a_malformed_answer_is_asked_for_again() -> None:
    here = world(MALFORMED, MALFORMED)
    await here.begin()
    log = await here.wake()
    assert log.events[2:4] == (ModelFailed("MalformedAnswer", "The answer is not JSON."),) * 2
    assert log.events[-1] == SessionEnded("answered")


async def test_malformed_answers_are_counted_until_the_session_is_stuck() -> None:
    here = world(*[MALFORMED] * 9)
    await here.begin()
    log = await here.wake()
    assert last(log, 1) == (SessionEnded("stuck", "5 answers in a row held no call that could be run"),)
    assert kinds(log.events).count("ModelFailed") == 5


@pytest.mark.parametrize("error", [UNAVAILABLE, ModelRefused("The request was declined.")])
async def test_a_session_whose_model_is_away_waits_until_it_is_resumed(error: ModelError) -> None:
    here = world(None, error)
    await here.begin()
    waiting = await here.wake()
    assert (waiting.events[-1], await here.status()) == (ModelFailed(type(error).__name__, str(error)), "waiting")
    assert (await here.wake()).events == waiting.events
    await here.store.post("s", Resumed())
    log = await here.wake()
    assert log.events[-1] == SessionEnded("answered")


async def test_retries_are_written_down_before_the_answer_and_its_call_is_numbered_behind_them() -> None:
    here = world(Retry("503 from the server", 1, 0.5))
    await here.begin()
    log = await here.wake()
    assert log.events[2] == ModelRetried("503 from the server", 1, 0.5)
    answer = log.events[3]
    assert isinstance(answer, ModelAnswered)
    assert answer.calls == (ToolCall("c3", "plan_update", PLAN_ARGUMENTS),)


async def test_files_are_saved_although_the_model_is_away() -> None:
    here = world(UNAVAILABLE)
    here.toolbox = LedgerToolbox(lambda call: brought("done"), saves=[FilesSaved("a", 0, 0)])
    await here.begin()
    assert kinds((await here.wake()).events[2:]) == ["FilesSaved", "ModelFailed"]


async def test_a_prompt_that_is_too_long_for_the_server_is_compacted_and_sent_again() -> None:
    reads = tuple(Say("file_read", {"path": str(number)}) for number in range(4))
    here = world(*[None] * 5, ContextOverflow(9_000, 8_000), says=(*reads, DELIVERED))
    await here.begin()
    log = await here.wake()
    assert kinds(log.events[17:20]) == ["ModelFailed", "ResultsCompacted", "ModelAnswered"]
    assert log.events[18] == ResultsCompacted(("c5", "c8", "c11"), why="overflow")
    assert log.events[-1] == SessionEnded("answered")


async def test_a_prompt_that_cannot_be_made_shorter_ends_the_session() -> None:
    here = world(ContextOverflow(9_000, 8_000))
    await here.begin()
    log = await here.wake()
    assert log.events[-1] == SessionEnded("limit", "the context is full: it does not fit into 95,904 tokens")


async def test_back_on_the_first_choice_a_session_has_its_own_window_again() -> None:
    tiny = Choice("scripted:two", Window(1_000, 1_000, 900))
    policy = replace(POLICY, routes=(Route("act", (Choice(POLICY.model), tiny)),))
    model = ScriptedModel(script(Say("message_info"), PLANNED, DELIVERED))
    here = World(policy, model, LedgerToolbox(lambda call: brought("done")))
    away = (ModelFailed("ModelUnavailable", "It is away."), ModelSwitched("act", tiny.model, "It is away."))
    await here.begin(UserSaid("Write a report. " * 400), *away, UserSaid("Well?"))
    log = await here.wake()
    assert "LimitHit" not in kinds(log.events)
    assert {prompt.model for prompt, _ in model.asked} == {POLICY.model}
    assert log.events[-1] == SessionEnded("answered")
