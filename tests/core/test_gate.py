"""The ingestion gate: what enters whole, what enters as a preview, and what as a pointer to its equal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.playbook import BEGUN, POLICY, Part, answered, call, log
from workhand.core.canonical import digest
from workhand.core.events import Observation, ResultsCompacted, ToolCall, ToolReturned, ToolStarted
from workhand.core.gate import admit, as_brought
from workhand.core.log import Log
from workhand.core.policy import Policy, ReopenRate, Rules
from workhand.core.ports import Outcome

READ = ToolCall("c9", "file_read", "{}")
PATH = ".workhand/results/c9-file_read.txt"
PICTURE = ".workhand/results/c9-file_read.bin"
RULES = Rules(preview_tokens=100, reopen_rate=0.3, reopen_tokens=500)
SMALL = replace(POLICY, observation_tokens_max=1_000, error_tokens_max=2_000, rules=RULES)


def lines(size: int) -> bytes:
    """Make a text of whole lines."""
    return b"".join(b"%07d\n" % number for number in range(size // 8))


def form(
    content: bytes, policy: Policy = SMALL, *, ok: bool = True, as_is: bool = False, tool: str = "file_read"
) -> str:
    outcome = Outcome("exit 0", "ran it", content, ok, as_is=as_is)
    return admit(log(*BEGUN, policy=policy), policy, replace(READ, tool=tool), outcome).form


@pytest.mark.parametrize(
    ("outcome", "seen"),
    [
        pytest.param(Outcome("done", "did it"), Observation("done", "did it"), id="no content"),
        pytest.param(
            Outcome("exit 0", "ran it", b"short"),
            Observation("exit 0\nshort", "ran it", blob=digest(b"short")),
            id="too short for a file",
        ),
        pytest.param(
            Outcome("exit 0", "ran it", b"x" * 600),
            Observation(
                f"exit 0\n{'x' * 600}", f"ran it; all 600 bytes are in {PATH}", blob=digest(b"x" * 600), path=PATH
            ),
            id="kept in a file",
        ),
        pytest.param(
            Outcome("", "ran it", b"\xff" * 4), Observation("�" * 4, "ran it", blob=digest(b"\xff" * 4)), id="no text"
        ),
        pytest.param(
            Outcome("a picture", "ran it", b"\xff" * 600, hidden=True),
            Observation(
                "a picture", f"ran it; all 600 bytes are in {PICTURE}", blob=digest(b"\xff" * 600), path=PICTURE
            ),
            id="not shown",
        ),
    ],
)
def test_a_small_result_enters_as_it_was_brought(outcome: Outcome, seen: Observation) -> None:
    assert admit(log(*BEGUN), POLICY, READ, outcome) == seen == as_brought(READ, outcome)


@pytest.mark.parametrize(
    ("size", "entered"),
    [(600, "whole"), (8 * 400, "preview"), (100_000, "preview")],
)
def test_a_result_enters_whole_while_that_is_cheaper_than_a_preview_and_the_chance_of_opening_it(
    size: int, entered: str
) -> None:
    assert form(lines(size)) == entered


def test_what_is_opened_often_enters_whole_sooner() -> None:
    often = replace(SMALL, reopen_rates=(ReopenRate("file_read", 0.95),))
    assert form(lines(2_400)) == "preview"
    assert form(lines(2_400), often) == "whole"
    assert form(lines(2_400), often, tool="shell_run") == "preview"


def test_no_result_past_the_cap_enters_whole_however_often_it_is_opened() -> None:
    assert form(lines(8_000), replace(SMALL, reopen_rates=(ReopenRate("file_read", 1.0),))) == "preview"


def test_a_failure_enters_whole_up_to_a_wider_cap() -> None:
    assert [form(lines(size), ok=False) for size in (7_000, 9_000)] == ["whole", "preview"]


def test_what_is_read_back_enters_as_it_is() -> None:
    assert form(lines(24_000), as_is=True) == "whole"


def test_without_the_gate_everything_enters_whole() -> None:
    assert form(lines(100_000), replace(SMALL, rules=Rules(gate=False))) == "whole"


def repeated(*between: Part) -> Observation:
    """Bring the same content twice, with something between."""
    first = as_brought(call("c1", "file_read"), Outcome("one", "it", b"x" * 700))
    earlier = (answered(call("c1", "file_read")), ToolStarted("c1"), ToolReturned("c1", first))
    return admit(log(*BEGUN, earlier, *between, policy=SMALL), SMALL, READ, Outcome("one", "it", b"x" * 700))


def test_a_result_that_equals_one_in_view_enters_as_a_pointer_to_it() -> None:
    seen = repeated()
    assert seen.full == f"one\n[the same 700 bytes as the result of c1 above; {PATH}]"
    assert (seen.form, seen.blob, seen.path) == ("repeat", digest(b"x" * 700), PATH)


def test_a_result_whose_equal_has_been_compacted_enters_as_if_it_were_the_first() -> None:
    assert repeated(ResultsCompacted(("c1",))).form == "whole"


def test_what_is_read_back_enters_whole_though_its_preview_is_in_view() -> None:
    outcome = Outcome("one", "it", lines(8_000))
    first = admit(log(*BEGUN, policy=SMALL), SMALL, call("c1", "file_read"), outcome)
    earlier = (answered(call("c1", "file_read")), ToolStarted("c1"), ToolReturned("c1", first))
    played = log(*BEGUN, earlier, policy=SMALL)
    forms = [admit(played, SMALL, READ, replace(outcome, as_is=as_is)).form for as_is in (False, True)]
    assert (first.form, forms) == ("preview", ["repeat", "whole"])


def test_a_preview_is_no_longer_than_the_policy_says_and_names_the_path() -> None:
    seen = admit(log(*BEGUN), SMALL, READ, Outcome("exit 0", "ran it", lines(80_000)))
    shown = seen.full.removeprefix("exit 0\n")
    assert len(shown.encode()) <= SMALL.rules.preview_tokens * 4
    assert f"all 80,000 bytes are in {PATH}" in shown


def test_the_same_result_enters_the_same_way_in_every_process() -> None:
    outcome = Outcome("exit 0", "ran it", lines(50_000))
    assert admit(log(*BEGUN), SMALL, READ, outcome) == admit(Log.of(log(*BEGUN).entries), SMALL, READ, outcome)
