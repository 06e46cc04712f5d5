"""``workhand lab``: what the commands print, for people and for programs, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import Workhand

MADE = "generated:7:4:code"
FIGURES = {
    "cost",
    "vs_no_cache",
    "vs_append_only",
    "vs_lower_bound",
    "hit",
    "breaks_per_100",
    "rereads_per_100",
    "over_limit_share",
    "peak_mean",
    "peak_max",
    "restorable_share",
    "worst_session",
}


def test_a_replay_for_programs_has_every_figure_of_every_policy(workhand: Workhand) -> None:
    done = workhand("lab", "replay", MADE, "--policy", "workhand,codex", "--limit", "16000", "--json")
    (found,) = done.lines
    assert done.code == 0
    assert found["policies"].keys() == {"workhand", "codex"}
    assert all(figures.keys() >= FIGURES for figures in found["policies"].values())
    assert (found["sessions"], found["settings"]["limit_tokens"]) == (4, 16_000)
    assert found["policies"]["workhand"]["restorable_share"] == 1.0


def test_a_replay_for_people_explains_its_columns(workhand: Workhand) -> None:
    done = workhand("lab", "replay", MADE, "--policy", "workhand;workhand:gate=off", "--prices", "claude-opus-5-5")
    assert done.code == 0
    assert "4 sessions" in done.out
    assert "workhand:gate=off" in done.out
    assert "restorable: of what was taken out" in done.out


def test_the_optimum_and_a_sweep_run_on_sessions_made_from_a_seed(workhand: Workhand, tmp_path: Path) -> None:
    best = workhand("lab", "optimum", MADE, "--json")
    assert all(line["lower_bound"] <= line["append_only"] for line in best.lines)
    assert len(best.lines) == 4
    plot = tmp_path / "theta.svg"
    swept = workhand(
        *("lab", "sweep", MADE, "--figure", "theta", "--over", "0.5,2", "--prices", "1.25,0.1,5"),
        *("--plot", str(plot), "--json"),
    )
    assert [line["theta"] for line in swept.lines] == [0.5, 2.0]
    assert plot.read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("replay", MADE, "--policy", "nobody"), "There is no context policy 'nobody': choose one of append-only"),
        (("replay", MADE, "--policy", "workhand:speed=9"), "Our policy has no 'speed': it has arguments"),
        (("replay", MADE, "--policy", "workhand:theta=fast"), "'theta=fast' changes nothing: write NAME=NUMBER"),
        (("replay", MADE, "--prices", "no-such-model"), "The prices of 'no-such-model' are not known; write W,R,O"),
        (("replay", MADE, "--prices", "1,2,x"), "The prices '1,2,x' are no numbers"),
        (("replay", MADE, "--cache", "mine"), "There is no cache 'mine'; take one of lcp"),
        (("replay", "generated:x"), "'generated:x' cannot be generated; write generated:SEED:SESSIONS:KIND"),
        (("replay", "generated:1:2:cooking"), "There is no kind of session 'cooking'"),
        (("replay", "nowhere"), "There is nothing at 'nowhere'"),
        (("sweep", MADE, "--figure", "theta", "--over", "1"), "A sweep needs two values or more, not '1'."),
        (("replay", MADE, "--plot", "costs.gif"), "A plot cannot be written as 'costs.gif': end the name with .png or"),
    ],
)
def test_what_cannot_be_used_gets_one_sentence(workhand: Workhand, arguments: tuple[str, ...], said: str) -> None:
    done = workhand("lab", *arguments)
    assert done.code == 3
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_what_is_read_is_replayed_and_bad_files_are_named(workhand: Workhand, tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}] * 3
    (tmp_path / "good.json").write_text(json.dumps(messages))
    (tmp_path / "odd.json").write_text('{"neither": "this nor that"}')
    done = workhand("lab", "replay", str(tmp_path), "--policy", "append-only", "--json")
    assert done.lines[0]["calls"] == 3
    assert "odd.json" in done.err
