"""Whatever happens between a client and a server: no hang, the right answer or the right error, in every dialect.

Each case is run for each dialect by plain HTTP, and through the vendor's client where there is one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest

from tests.models.fault_proxy import (
    FaultProxy,
    Trouble,
    cut_in_its_last_event,
    fault_proxy,
    first_event,
    half,
    with_all_events_twice,
    with_broken_json,
    with_comments,
    with_its_last_event_twice,
    without_its_end,
)
from tests.models.spoken import DIALECTS, KEY, QUICK, VENDORS, Slept, dialect, opened
from tests.models.toolset import ALL, head, prompt, said
from workhand.core.events import ModelAnswered, ToolCall
from workhand.core.ports import Retry
from workhand.errors import ConfigError, ContextOverflow, MalformedAnswer, ModelRefused, ModelUnavailable, WorkhandError
from workhand.models.hosted import HostedModel, Patience
from workhand.testing.model import Say
from workhand.testing.script_server import ScriptServer, serving

pytestmark = pytest.mark.anyio

BODY = (*head(), said("Read it."))
READ = Say("file_read", {"path": "a.txt"}, "I shall look at the file that was named.")
CALLED = (ToolCall("", "file_read", '{"path":"a.txt"}'),)
ENDS_S = 20.0  # however slow the machine is
SPOKEN = [*((name, False) for name in DIALECTS), *((name, True) for name in VENDORS)]
NAMES = [f"{name}, {'sdk' if vendor else 'plain'}" for name, vendor in SPOKEN]

every_client = pytest.mark.parametrize(("name", "vendor"), SPOKEN, ids=NAMES)


@dataclass(slots=True)
class Client:
    """A model behind a proxy, and what it did."""

    model: HostedModel
    proxy: FaultProxy
    slept: Slept = field(default_factory=Slept)
    shown: list[object] = field(default_factory=list)

    async def ask(self) -> ModelAnswered:
        with anyio.fail_after(ENDS_S):
            asked = prompt(*BODY, answer_tokens_max=400)
            return await self.model.answer(asked, ALL, session="s", watch=self.shown.append)

    @property
    def retries(self) -> list[Retry]:
        return [each for each in self.shown if isinstance(each, Retry)]


@asynccontextmanager
async def client(
    name: str, vendor: bool, *troubles: Trouble, stream: bool = True, patience: Patience = QUICK
) -> AsyncIterator[Client]:
    slept = Slept()
    async with serving(ScriptServer([READ])) as server, fault_proxy(server.address, *troubles) as proxy:
        spoken = dialect(name, proxy.address, stream=stream)
        sender = VENDORS[name] if vendor else None
        async with opened(spoken, vendor=sender, patience=patience, sleep=slept) as model:
            yield Client(model, proxy, slept)


def failing(status: int, **headers: str) -> Trouble:
    return Trouble(status=status, headers=tuple((name.replace("_", "-"), value) for name, value in headers.items()))


RETRIED: dict[str, tuple[list[Trouble], list[float]]] = {
    "a reset before the answer": ([Trouble(status=0, end="reset")], [0.5]),
    "an end before the answer": ([Trouble(status=0)], [0.5]),
    "a reset in the middle of the answer": ([Trouble(half, end="reset")], [0.5]),
    "an answer shorter than it said": ([Trouble(half, states_length=True)], [0.5]),
    "a stream with nothing in it": ([Trouble(lambda _: b"")], [0.5]),
    "a stream of comments": ([Trouble(lambda _: b": alive\n\n")], [0.5]),
    "429 with seconds": ([failing(429, retry_after="7")], [7.0]),
    "429 with a date": ([failing(429, retry_after="Fri, 15 Jan 2027 08:00:12 GMT")], [12.0]),
    "429 with a date that has passed": ([failing(429, retry_after="Fri, 15 Jan 2027 07:00:00 GMT")], [0.0]),
    "429 that asks for too long": ([failing(429, retry_after="86400")], [60.0]),
    "429 with nonsense": ([failing(429, retry_after="soon")], [0.5]),
    "500, and again": ([failing(500), failing(500)], [0.5, 1.0]),
    "502 with a page": ([Trouble(status=502, type="text/html", body=b"<html>bad gateway</html>")], [0.5]),
    "first a reset, then 503": ([Trouble(status=0, end="reset"), failing(503, retry_after="3")], [0.5, 3.0]),
}


@every_client
@pytest.mark.parametrize("trouble", RETRIED)
async def test_what_may_succeed_later_is_asked_again_with_the_same_bytes(name: str, vendor: bool, trouble: str) -> None:
    troubles, delays_s = RETRIED[trouble]
    async with client(name, vendor, *troubles) as asking:
        answer = await asking.ask()
    assert (answer.text, answer.calls) == (READ.text, CALLED)
    assert asking.slept.seconds == delays_s
    assert [(retry.attempt, retry.delay_s) for retry in asking.retries] == list(enumerate(delays_s, 1))
    assert asking.proxy.bodies == [asking.proxy.bodies[0]] * (len(delays_s) + 1)
    assert KEY not in str(asking.shown)


@every_client
async def test_a_server_that_keeps_failing_is_given_up_with_what_it_asked_for(name: str, vendor: bool) -> None:
    troubles = (failing(500), Trouble(status=0, end="reset"), failing(503, retry_after="9"))
    async with client(name, vendor, *troubles) as asking:
        with pytest.raises(ModelUnavailable, match="broken") as caught:
            await asking.ask()
    assert caught.value.retry_after_s == 9.0
    assert (len(asking.retries), len(asking.proxy.bodies)) == (2, 3)


FINAL: dict[str, tuple[Trouble, type[WorkhandError], str]] = {
    "a stream without its end": (Trouble(without_its_end), MalformedAnswer, "broke off"),
    "a stream that ends in an event": (Trouble(cut_in_its_last_event), MalformedAnswer, "not JSON"),
    "an event that is not JSON": (Trouble(with_broken_json), MalformedAnswer, "not JSON"),
    "a page instead": (Trouble(type="text/html"), MalformedAnswer, "base_url"),
    "an answer that was not to be whole": (Trouble(type="application/json"), MalformedAnswer, "event stream"),
    "a wrong key": (
        Trouble(status=401, body=f'{{"error":{{"message":"The key {KEY} is wrong"}}}}'.encode()),
        ConfigError,
        "api_key",
    ),
    "a refused request": (
        Trouble(status=400, body=f'{{"error":{{"message":"{KEY} asked for x"}}}}'.encode()),
        ModelRefused,
        "asked for x",
    ),
    "a prompt that is too long": (Trouble(status=413, body=b"context window exceeded"), ContextOverflow, "window"),
}


@every_client
@pytest.mark.parametrize("trouble", FINAL)
async def test_what_will_not_succeed_is_raised_at_once_and_never_shows_the_key(
    name: str, vendor: bool, trouble: str
) -> None:
    happens, kind, words = FINAL[trouble]
    async with client(name, vendor, happens) as asking:
        with pytest.raises(kind, match=words) as caught:
            await asking.ask()
        assert (await asking.ask()).calls == CALLED  # and the client can be used again
    assert (asking.retries, len(asking.proxy.bodies)) == ([], 2)
    told = [str(error) + repr(error) for error in (caught.value, caught.value.__cause__, caught.value.__context__)]
    assert KEY not in "".join(told)


HARMLESS = {
    "its last event twice": Trouble(with_its_last_event_twice),
    "comments and fields that mean nothing": Trouble(with_comments),
    "byte by byte": Trouble(slices=10_000),
    "a length": Trouble(states_length=True),
    "a content type with a character set": Trouble(type="text/event-stream; charset=utf-8"),
}


@every_client
@pytest.mark.parametrize("trouble", HARMLESS)
async def test_what_changes_nothing_changes_nothing(name: str, vendor: bool, trouble: str) -> None:
    async with client(name, vendor) as asking:
        undisturbed = await asking.ask()
    async with client(name, vendor, HARMLESS[trouble]) as asking:
        answer = await asking.ask()
    assert (answer.text, answer.calls, answer.usage) == (undisturbed.text, undisturbed.calls, undisturbed.usage)
    assert (answer.opaque, asking.retries) == (undisturbed.opaque, [])


@every_client
async def test_events_that_all_come_twice_still_make_one_call(name: str, vendor: bool) -> None:
    async with client(name, vendor, Trouble(with_all_events_twice)) as asking:
        answer = await asking.ask()
    assert [call.tool for call in answer.calls] in (["file_read"], ["file_read" * 2])  # no tool has the latter name


SILENT = {
    "before the headers": Trouble(status=0, end="stall"),
    "behind the headers": Trouble(lambda _: b"", end="stall"),
    "behind the first event": Trouble(first_event, end="stall"),
    "in the middle": Trouble(without_its_end, end="stall"),
}


@every_client
@pytest.mark.parametrize("trouble", SILENT)
async def test_a_server_that_falls_silent_is_given_up(name: str, vendor: bool, trouble: str) -> None:
    impatient = Patience(first_token_s=0.2, between_chunks_s=0.2, attempts_max=1)
    async with client(name, vendor, SILENT[trouble], patience=impatient) as asking:
        with pytest.raises(ModelUnavailable, match="silent for too long"):
            await asking.ask()
        with anyio.fail_after(ENDS_S):
            await asking.proxy.left.wait()


async def test_a_slow_stream_that_is_alive_is_read_to_its_end() -> None:
    patience = Patience(first_token_s=2.0, between_chunks_s=2.0, attempts_max=1)
    slow = Trouble(slices=12, gap_s=0.25)  # so all of it takes longer than that
    answers: list[ModelAnswered] = []

    async def read(name: str, vendor: bool) -> None:
        async with client(name, vendor, slow, patience=patience) as asking:
            answers.append(await asking.ask())

    async with anyio.create_task_group() as together:
        for name, vendor in SPOKEN:
            together.start_soon(read, name, vendor)
    assert [answer.calls for answer in answers] == [CALLED] * len(SPOKEN)


@every_client
async def test_cancelling_closes_the_request_at_the_server(name: str, vendor: bool) -> None:
    async with client(name, vendor, Trouble(without_its_end, end="stall")) as asking:
        with anyio.CancelScope() as scope:
            asked = prompt(*BODY, answer_tokens_max=400)
            await asking.model.answer(asked, ALL, session="s", watch=lambda _: scope.cancel())
        assert scope.cancelled_caught
        with anyio.fail_after(ENDS_S):
            await asking.proxy.left.wait()


@pytest.mark.parametrize(("name", "vendor"), [each for each in SPOKEN if each[0] != "google"])  # it marks no end
async def test_nothing_is_waited_for_behind_the_end_of_an_answer(name: str, vendor: bool) -> None:
    async with client(name, vendor, Trouble(end="stall")) as asking:
        assert (await asking.ask()).calls == CALLED
        assert asking.retries == []
        with anyio.fail_after(ENDS_S):
            await asking.proxy.left.wait()


WHOLE: dict[str, tuple[Trouble, type[WorkhandError] | None]] = {
    "a reset in the middle": (Trouble(half, end="reset"), None),
    "less than it said": (Trouble(half, states_length=True), None),
    "half of it": (Trouble(half), MalformedAnswer),
    "nothing": (Trouble(lambda _: b""), MalformedAnswer),
    "a page": (Trouble(type="text/html"), MalformedAnswer),
    "byte by byte": (Trouble(slices=10_000), None),
}


@every_client
@pytest.mark.parametrize("trouble", WHOLE)
async def test_an_answer_that_is_not_streamed_is_read_whole_or_not_at_all(
    name: str, vendor: bool, trouble: str
) -> None:
    happens, kind = WHOLE[trouble]
    async with client(name, vendor, happens, stream=False) as asking:
        if kind is not None:
            with pytest.raises(kind):
                await asking.ask()
        answer = await asking.ask()
    assert (answer.text, answer.calls) == (READ.text, CALLED)
