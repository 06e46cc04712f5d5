"""The embedded model through the command line: in this process, over its own HTTP server, and its kept cache."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio
import pytest

from bench.valid_calls import walk
from tests.cli.command import Ran, Workhand, command
from tests.scenarios.auditing import faults_of
from workhand.models.local_files import pull
from workhand.tools.specs import specs

TASK = "Write hello to hello.txt"
WALKED_CALLS = 60  # each of the five functions of the largest family is then once the only one


pytestmark = pytest.mark.machines  # not whole machines, but whole minutes


@pytest.fixture
def workhand(tmp_path: Path) -> Iterator[Workhand]:
    """The command in an empty home, with the model's file where it is kept for all."""
    if find_spec("xllamacpp") is None:
        pytest.skip("the extra `local` is not installed, or has no wheel for this platform")
    kept = pull(Path(os.environ.get("WORKHAND_CACHE") or "~/.cache/workhand").expanduser(), lambda _: None)
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / kept.name).symlink_to(kept)
    here = Workhand(tmp_path)
    here.environment["WORKHAND_CACHE"] = str(cache)
    yield here
    here.unmount()
    assert faults_of(here.home) == []


@pytest.mark.usefixtures("workhand")
def test_every_family_of_functions_is_walked_through_with_valid_calls_alone() -> None:
    walked = anyio.run(walk, WALKED_CALLS, 1)
    assert {outcome for _, outcome in walked} == {"valid"}
    assert {tool for tool, _ in walked} == {spec.name for spec in specs()}
    assert walked.total() == WALKED_CALLS


def answers(ran: Ran) -> list[dict[str, Any]]:
    return [line["event"] for line in ran.lines if line["event"]["kind"] == "ModelAnswered"]


def test_a_session_ends_and_a_later_process_and_a_fork_start_with_its_cache(workhand: Workhand) -> None:
    first = workhand("run", "--model", "local", "--max-steps", "3", "--json", TASK)
    session = workhand("sessions", "--json").lines[0]["id"]
    fork = workhand("fork", session).out.split()[1]
    resumed = workhand("resume", session, "--max-steps", "5", "--json")
    forked = workhand("resume", fork, "--max-steps", "5", "--json")

    assert first.kinds[-1] == "SessionEnded"
    assert all(len(answer["calls"]) == 1 for answer in answers(first))
    last = answers(first)[-1]["usage"]
    for later in (answers(resumed)[0], answers(forked)[0]):
        assert later["usage"]["cached_tokens"] >= last["cached_tokens"] > 0


def test_the_same_task_runs_over_http_against_the_models_own_server(workhand: Workhand) -> None:
    serving = subprocess.Popen(
        command("models", "--serve"),
        env=workhand.environment,
        stdout=subprocess.PIPE,
        text=True,
        cwd=workhand.directory,
    )
    try:
        assert serving.stdout is not None
        exported = dict(word.split("=", 1) for word in shlex.split(serving.stdout.readline())[1:])
        workhand.settings("[openai-chat]\nwindow_tokens = 3_072\n")  # short answers: a small model fills what it may
        ran = workhand("run", "--model", "openai-chat:local", "--max-steps", "2", "--json", TASK, **exported)
    finally:
        serving.send_signal(signal.SIGTERM)
        serving.communicate(timeout=60)

    assert serving.returncode == 0
    assert ran.kinds[-1] == "SessionEnded"
    assert next(answer["calls"][0]["tool"] for answer in answers(ran)) == "plan_update"
    assert answers(ran)[-1]["usage"]["cached_tokens"] > 0
