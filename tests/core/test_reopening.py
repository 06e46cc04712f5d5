"""What the gate learns: which previews were opened."""

from __future__ import annotations

from tests.core.playbook import BEGUN, answered, call, log
from workhand.core.events import Event, Observation, ToolReturned, ToolStarted
from workhand.core.policy import ReopenRate, Rules
from workhand.core.reopening import Opened, opened, rates


def previewed(id: str, tool: str) -> tuple[Event, ...]:
    path = f".workhand/results/{id}-{tool}.txt"
    seen = Observation("a preview", f"it is in {path}", True, "d" * 64, path, form="preview")
    return answered(call(id, tool)), ToolStarted(id), ToolReturned(id, seen)


def test_a_preview_is_opened_by_a_later_call_that_names_its_path_and_counts_once() -> None:
    reads = answered(call("c9", "file_read", '{"path":".workhand/results/c1-shell_run.txt"}'))
    again = answered(call("c10", "shell_run", '{"command":"grep x .workhand/results/c1-shell_run.txt"}'))
    played = log(*BEGUN, previewed("c1", "shell_run"), previewed("c2", "shell_run"), previewed("c3", "file_find"))
    assert opened(played.then(reads).then(again)) == (Opened("file_find", 1, 0), Opened("shell_run", 2, 1))


def test_only_what_entered_since_a_position_counts() -> None:
    played = log(*BEGUN, previewed("c1", "shell_run"))
    later = played.then(previewed("c2", "shell_run")[0]).then(previewed("c2", "shell_run")[2])
    assert opened(later, since=played.head) == (Opened("shell_run", 1, 0),)


def test_an_estimate_begins_at_the_prior_and_follows_what_is_seen() -> None:
    rules = Rules(reopen_rate=0.3)
    assert rates((Opened("a", 0, 0), Opened("b", 10, 0), Opened("c", 990, 990)), rules) == (
        ReopenRate("a", 0.3),
        ReopenRate("b", 0.15),
        ReopenRate("c", 0.993),
    )
