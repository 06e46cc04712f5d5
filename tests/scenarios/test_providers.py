"""One scenario through the command line and every provider's format, against a server that holds to their rules.

The server is in this process, so what it was asked can be looked at; the vendors' clients are the real ones.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from tests.cli.command import BEGIN, DELIVER, PLAN, Ran, Workhand, shell
from tests.scenarios.auditing import faults_of
from workhand.testing.model import Say
from workhand.testing.script_server import ScriptServer, serving
from workhand.testing.server_script import Fault

pytestmark = pytest.mark.usefixtures("require_bubblewrap")

TASK = "Write the numbers down, and say how many there are."
WRITE: dict[str, Any] = {"tool": "file_write", "arguments": {"path": "greeting.txt", "content": "hello\n"}}
AGAIN: dict[str, Any] = {"tool": "plan_update", "arguments": {"goal": "Another.", "phases": ["One"], "done": 0}}
LINES = (PLAN, AGAIN, BEGIN, shell("seq 1 40 > numbers.txt; wc -l < numbers.txt"), WRITE, shell("cat greeting.txt"))
KINDS = [
    *("SessionStarted", "UserSaid", "FilesSaved", "ModelAnswered", "PlanChanged", "ToolReturned"),
    *("ModelAnswered", "ToolReturned"),  # what follows a plan is work: the second one is refused
    *("ModelAnswered", "ToolStarted", "ToolReturned"),
    *("ModelAnswered", "ToolStarted", "SandboxOpened", "ToolReturned"),
    *("FilesSaved", "ModelAnswered", "ToolStarted", "ToolReturned") * 2,  # of the shell, and of the file
    *("ModelAnswered", "ToolStarted", "ToolReturned"),
    "SessionEnded",
]


@dataclass(frozen=True, slots=True)
class Provider:
    """A model, what is set for it, and its prices: dollars per million tokens, as their vendor lists them."""

    model: str
    prices: tuple[float, float, float, float] | None  # of fresh, cached and written input, and of output
    settings: str = ""


PROVIDERS = {
    "anthropic": Provider("anthropic:claude-opus-5", (5.0, 0.5, 6.25, 25.0)),
    "openai": Provider("openai:gpt-6.1-sol", (2.0, 0.1, 2.5, 10.0)),
    "openai on a cloud": Provider("openai:gpt-6.1-sol", (2.0, 0.1, 2.5, 10.0), '[openai]\ncloud = "bedrock"\n'),
    "openai-chat": Provider("openai-chat:any", None),
    "google": Provider("google:gemini-3.5-flash", (1.5, 0.15, 1.5, 9.0)),
}
SIGNED = {"anthropic": "signature", "openai": "encrypted_content", "openai on a cloud": "encrypted_content"}
SIGNED |= {"google": "thoughtSignature"}


@dataclass(frozen=True, slots=True)
class Session:
    """A session that has ended, and what the server was asked."""

    provider: Provider
    ran: Ran
    asked: list[dict[str, Any]]
    spent: dict[str, Any]
    files: dict[str, str]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [line["event"] for line in self.ran.lines]

    @property
    def usages(self) -> list[dict[str, Any]]:
        return [event["usage"] for event in self.events if event["kind"] == "ModelAnswered"]


@contextmanager
def served(script: Sequence[Say | Fault], *, obeys: bool = True) -> Iterator[ScriptServer]:
    """Serve in a thread: the command that is run blocks this one."""
    server = ScriptServer(script, obeys=obeys)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serving(server)):
        yield server


def says(*lines: dict[str, Any]) -> list[Say | Fault]:
    return [Say(line["tool"], line["arguments"]) for line in lines]


@contextmanager
def begun(directory: Path, provider: Provider, *, obeys: bool) -> Iterator[Callable[[], Session]]:
    """Begin the scenario; what is given waits for its end."""
    workhand = Workhand(directory)
    workhand.settings(provider.settings)

    def ended() -> Session:
        ran = running.ended()
        assert ran.code == 0, ran.err
        assert faults_of(workhand.home) == []
        (session,) = (workhand.home / "sessions").iterdir()
        files = {path.name: path.read_text() for path in (session / "workspace").glob("*.txt")}
        spent = workhand("show", session.name, "--json").lines[0]["spent"]
        return Session(provider, ran, list(server.asked), spent, files)

    with served(says(*LINES, DELIVER), obeys=obeys) as server:
        workhand.environment |= server.exports
        running = workhand.start("run", "--model", provider.model, TASK)
        yield ended


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Session]:
    """Give the scenario as it went with each provider, whose model takes masks as advice."""
    with ExitStack() as together:
        running = {
            name: together.enter_context(begun(tmp_path_factory.mktemp("provider"), provider, obeys=False))
            for name, provider in PROVIDERS.items()
        }
        return {name: ended() for name, ended in running.items()}


def told(event: dict[str, Any]) -> dict[str, Any]:
    """Give what of an event does not depend on who answered, nor on the session's id or the clock."""
    its_own = {"usage", "model", "opaque", "first_token_s", "duration_s", "prompt_bytes", "prompt_digest", "policy"}
    its_own |= {"snapshot"}  # files have times
    shared = {key: value for key, value in event.items() if key not in its_own}
    text = shared.get("observation", {}).get("full", "")
    return {"kind": event["kind"]} if text.endswith("is current.") else shared  # said in words that vary


def test_the_log_is_the_same_whoever_answered(sessions: dict[str, Session]) -> None:
    logs = {name: [told(event) for event in each.events] for name, each in sessions.items()}
    assert logs == dict.fromkeys(logs, logs["anthropic"])
    assert sessions["anthropic"].ran.kinds == KINDS
    made = {"numbers.txt": "".join(f"{number}\n" for number in range(1, 41)), "greeting.txt": "hello\n"}
    assert {name: each.files for name, each in sessions.items()} == dict.fromkeys(sessions, made)


def test_the_first_request_is_the_same_prompt_for_all(sessions: dict[str, Session]) -> None:
    first = [next(event for event in each.events if event["kind"] == "ModelAnswered") for each in sessions.values()]
    assert len({(event["prompt_bytes"], event["prompt_digest"]) for event in first}) == 1


def test_a_call_outside_the_mask_is_refused_and_counted(sessions: dict[str, Session]) -> None:
    for each in sessions.values():
        (refused,) = [event for event in each.events if event.get("how") == "refused"]
        assert refused["observation"]["full"].startswith("plan_update cannot be called now")
        assert each.spent["steps"] == 7


def test_a_model_that_obeys_masks_never_makes_that_call(tmp_path: Path) -> None:
    with begun(tmp_path, PROVIDERS["google"], obeys=True) as ended:
        obedient = ended()
    assert not any(event.get("how") == "refused" for event in obedient.events)
    assert obedient.ran.kinds[-1] == "SessionEnded"


def test_what_the_cache_serves_grows_with_every_answer(sessions: dict[str, Session]) -> None:
    for each in sessions.values():
        assert each.usages[0]["cached_tokens"] == 0
        for before, after in pairwise(each.usages):
            assert after["cached_tokens"] > before["cached_tokens"]
            assert after["input_tokens"] - after["cached_tokens"] < 0.15 * after["input_tokens"]


def by_hand(usage: dict[str, Any], prices: tuple[float, float, float, float]) -> float:
    fresh = usage["input_tokens"] - usage["cached_tokens"] - usage["written_tokens"]
    counts = (fresh, usage["cached_tokens"], usage["written_tokens"], usage["output_tokens"])
    dollars: float = sum(count * price for count, price in zip(counts, prices, strict=True))
    return dollars / 1_000_000


def test_what_is_shown_to_have_been_spent_is_what_the_tokens_cost(sessions: dict[str, Session]) -> None:
    for each in sessions.values():
        if each.provider.prices is None:
            assert {usage["cost_usd"] for usage in each.usages} == {None}
            assert (each.spent["cost_usd"], each.spent["unpriced"]) == (0.0, len(each.usages))
            continue
        costs = [by_hand(usage, each.provider.prices) for usage in each.usages]
        assert [usage["cost_usd"] for usage in each.usages] == pytest.approx(costs)
        assert each.spent["cost_usd"] == pytest.approx(sum(costs))
        assert f"${sum(costs):.4f}" in each.ran.err
    written = {name for name, each in sessions.items() if sum(usage["written_tokens"] for usage in each.usages)}
    assert written == {"anthropic", "openai on a cloud"}  # where marks are sent


def found(value: Any, key: str) -> list[Any]:
    """Give all values of a key, however deep."""
    match value:
        case dict():
            here = [value[key]] if key in value else []
            return here + [one for each in value.values() for one in found(each, key)]
        case list():
            return [one for each in value for one in found(each, key)]
        case _:
            return []


@pytest.mark.parametrize("name", SIGNED)
def test_a_killed_session_goes_on_with_what_was_signed_unchanged(workhand: Workhand, name: str) -> None:
    provider, key = PROVIDERS[name], SIGNED[name]
    workhand.settings(provider.settings)
    with served(says(PLAN, BEGIN, shell("sleep 600"), DELIVER)) as server:
        workhand.environment |= server.exports
        running = workhand.start("run", "--model", provider.model, TASK)
        running.until("ToolStarted", 2)
        running.send(signal.SIGKILL)
        before = [line["event"] for line in running.ended().lines]
        resumed = workhand("resume", workhand.session(), "--json")
        assert (resumed.code, resumed.kinds[-1]) == (0, "SessionEnded"), resumed.err
        sent_back = found(server.asked[-1], key)
    kept = [json.loads(event["opaque"]) for event in before if event["kind"] == "ModelAnswered"]
    assert sent_back == found(kept, key)
    assert len(sent_back) == 3


def test_another_provider_takes_the_place_of_one_that_is_not_there(workhand: Workhand) -> None:
    first, second = PROVIDERS["openai"].model, PROVIDERS["anthropic"].model
    file = workhand.directory / "settings.toml"
    file.write_text(f'[routes]\nact = ["{first}", "{second}"]\n')
    busy = [Fault("unavailable", 0.0)] * 6  # as often as it is asked
    with served([*says(PLAN, BEGIN), *busy]) as failing, served(says(*LINES[:1], *LINES[2:], DELIVER)) as other:
        workhand.environment |= failing.exports | {"ANTHROPIC_BASE_URL": other.anthropic_url}
        ran = workhand("run", "--json", TASK, WORKHAND_CONFIG=str(file))
        assert ran.code == 0, ran.err
        assert [event["attempt"] for event in events(ran, "ModelRetried")] == [1, 2, 3, 4, 5]
        (switched,) = events(ran, "ModelSwitched")
        assert (switched["purpose"], switched["model"]) == ("act", second)
        assert "status 503" in switched["reason"]
        answered = [event["model"] for event in events(ran, "ModelAnswered")]
        assert answered == [first] * 2 + [second] * 4
        assert "rs_0" not in json.dumps(other.asked[0])  # what one provider signed is no other's
        assert len(other.asked) == 4
    assert (ran.kinds[-1], events(ran, "SessionEnded")[0]["reason"]) == ("SessionEnded", "answered")


def events(ran: Ran, kind: str) -> list[dict[str, Any]]:
    return [line["event"] for line in ran.lines if line["event"]["kind"] == kind]
