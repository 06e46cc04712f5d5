"""Pictures in the context: shown to a model that sees, counted as what they cost, and gone with their compact form."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tests.core.playbook import BEGUN, POLICY, answered, call, log
from workhand.core.body import body_of
from workhand.core.canonical import digest
from workhand.core.compaction import stale_of
from workhand.core.events import ModelSwitched, Observation, ResultsCompacted, ToolReturned
from workhand.core.gate import admit
from workhand.core.log import Log
from workhand.core.policy import Choice, Policy, Route
from workhand.core.ports import Outcome
from workhand.core.prompt import PICTURE_BYTES
from workhand.core.render import render
from workhand.core.routing import in_force

SEEING = replace(POLICY, sees=True, keep_full_results=0)
PICTURE = b"\x89PNG of a chart"
LOOK = call("c9", "file_read", '{"path":"chart.png"}')
SEEN = Outcome("chart.png", "file_view chart.png", PICTURE, as_is=True, hidden=True, picture="image/png")


def looked(policy: Policy = SEEING) -> Log:
    begun = log(*BEGUN, answered(LOOK), policy=policy)
    return begun.then(ToolReturned("c9", admit(begun, policy, LOOK, SEEN)), 99.0)


def shown(played: Log, policy: Policy) -> dict[str, Any]:
    last: dict[str, Any] = json.loads(render(played, policy).body[-1])
    return last


def test_a_model_that_sees_is_shown_the_picture_and_another_is_told_of_it() -> None:
    played = looked()
    media = [{"blob": digest(PICTURE), "type": "image/png"}]
    assert shown(played, SEEING)["media"] == media
    assert "media" not in shown(played, replace(SEEING, sees=False))
    assert "chart.png" in shown(played, replace(SEEING, sees=False))["text"]


def test_a_picture_is_kept_however_small_it_is() -> None:
    seen = admit(log(*BEGUN), SEEING, LOOK, SEEN)
    path = ".workhand/results/c9-file_read.bin"
    compact = f"file_view chart.png; all {len(PICTURE)} bytes are in {path}"
    assert seen == Observation("chart.png", compact, True, digest(PICTURE), path, picture="image/png")


def test_a_picture_counts_as_the_tokens_that_it_takes() -> None:
    seeing, blind = render(looked(), SEEING), render(looked(), replace(SEEING, sees=False))
    beside = len(b'"media":[{"blob":"","type":"image/png"}],') + 64
    assert seeing.size - blind.size == PICTURE_BYTES + beside
    assert seeing.size == body_of(looked(), SEEING).size + len(seeing.tail)


def test_a_text_about_media_is_no_picture() -> None:
    said = Outcome('"media":[{"blob":"x"}]', "x")
    played = log(*BEGUN, answered(LOOK)).then(ToolReturned("c9", admit(log(*BEGUN), SEEING, LOOK, said)), 9.0)
    prompt = render(played, SEEING)
    assert prompt.size == sum(map(len, prompt.body)) + len(prompt.tail.encode())


def test_its_compact_form_saves_what_it_takes_and_shows_it_no_more() -> None:
    played = looked()
    (candidate,) = stale_of(played, SEEING).waiting.values()
    assert candidate.result_bytes > PICTURE_BYTES - 200
    compacted = played.then(ResultsCompacted(("c9",)), 100.0)
    assert "media" not in shown(compacted, SEEING)
    assert ".workhand/results/c9-file_read.bin" in shown(compacted, SEEING)["text"]


def test_the_same_picture_is_shown_again_and_not_pointed_to() -> None:
    again = admit(looked(), SEEING, replace(LOOK, id="c10"), replace(SEEN, head="chart.png " * 100))
    assert (again.form, again.picture) == ("whole", "image/png")


def test_another_model_in_its_place_sees_what_that_model_can() -> None:
    routes = (Route("act", (Choice(SEEING.model, sees=True), Choice("other:one"))),)
    policy = replace(SEEING, routes=routes)
    played = looked(policy).then(ModelSwitched("act", "other:one", "gone"), 100.0)
    assert in_force(looked(policy), policy).sees
    assert not in_force(played, policy).sees
