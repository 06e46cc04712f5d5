"""The attempts to get out of a machine, by class: those that the suite makes in machines, and those of other tests.

    python -m tests.sandbox.escaping.table [options of pytest]

makes all of them and prints how many there are of each class, how many were made, and how many succeeded.
"""

from __future__ import annotations

import importlib
import platform
import sys
from collections import Counter
from math import prod
from types import ModuleType

import pytest

from tests.sandbox.escapes import CLASSES, ENDING, class_of
from tests.sandbox.escaping import exhausting, racing
from tests.sandbox.lane import LEFT, SETTING, system_calls

PROTOCOL, RACES, EXHAUSTION = "daemon protocol abuse", racing.CLASS, exhausting.CLASS
BY_GROUPS = tuple(f"{EXHAUSTION}: {name}" for name in exhausting.BY_GROUPS)
HELD_BY_GROUPS = (
    *BY_GROUPS,
    *(f"{EXHAUSTION}: {name}" for names in exhausting.NOT_BY_RLIMITS.values() for name in names),
)
IN_A_MACHINE: tuple[str, ...] = (
    *(f"{group}: {name}" for group, attempts in CLASSES.items() for name in attempts),
    *(f"{class_of(name)}: call {name}" for name in system_calls()["calls"]),
    *(f"proc and sys: {name}" for name in ENDING),
    *(SETTING, LEFT),
    *(f"{EXHAUSTION}: {name}" for name in (*exhausting.ENDLESS, *exhausting.IN_TURN, exhausting.LAST)),
    *BY_GROUPS,
    *(f"{RACES}: {name}" for name in racing.ATTEMPTS),
)
ELSEWHERE: dict[str, dict[str, str]] = {
    "files": {
        "sandbox/test_bubblewrap": "test_two_sessions_cannot_read_each_others_workspace",
    },
    EXHAUSTION: {
        "sandbox/test_contract": "test_long_output_keeps_its_head_and_tail_and_counts_the_rest "
        "test_the_number_of_shells_is_bounded test_the_output_of_a_shell_is_bounded_too",
        "sandbox/test_doorway": "test_as_many_connections_as_allowed_are_open_at_once "
        "test_more_connections_than_allowed_are_reset "
        "test_connections_that_the_door_still_has_count_though_the_inside_dropped_them",
    },
    RACES: {
        "sandbox/test_kept": "test_a_link_in_the_place_of_the_folder_is_refused",
        "sandbox/escaping/test_asking": "test_a_file_that_becomes_a_pipe_while_it_is_digested_holds_nobody_up",
        "sandbox/escaping/test_export": "*",
        "tools/test_folder": "test_a_planted_link_is_not_followed test_a_path_that_is_not_below_the_folder_is_refused",
    },
    PROTOCOL: {
        "sandbox/test_client": "test_bytes_that_are_no_frame_end_the_sandbox test_a_daemon_that_ends_is_lost "
        "test_claims_that_make_no_sense_are_cut_to_what_does",
        "sandbox/test_doorway": "test_an_inside_that_breaks_the_rules_ends_its_own_connection_only",
        "sandbox/escaping/test_protocol": "*",
    },
}
"""Attempts that are tests of their own, by file and name; a star stands for all of a file."""


def counts() -> Counter[str]:
    """Count the attempts of each class, each once, in whatever machines and as whoever it is made."""
    found = Counter(attempt.partition(": ")[0] for attempt in IN_A_MACHINE)
    for group, files in ELSEWHERE.items():
        for path, names in files.items():
            module = importlib.import_module("tests." + path.replace("/", "."))
            found[group] += sum(cases(module, name) for name in named(module, names))
    return found


def named(module: ModuleType, names: str) -> list[str]:
    return [name for name in vars(module) if name.startswith("test_")] if names == "*" else names.split()


def cases(module: ModuleType, name: str) -> int:
    """Give how many tests a parametrised function is."""
    marks = getattr(getattr(module, name), "pytestmark", [])
    return prod(len(mark.args[1]) for mark in marks if mark.name == "parametrize")


class Made:
    """What pytest is told to count: the attempts that were made, and those that succeeded, by class."""

    def __init__(self) -> None:
        self.classes: dict[str, str] = {}
        self.made: Counter[str] = Counter()
        self.succeeded: Counter[str] = Counter()

    def pytest_collection_modifyitems(self, items: list[pytest.Function]) -> None:
        for test in items:
            attempt = test.callspec.params.get("attempt") if hasattr(test, "callspec") else None
            group = attempt.partition(": ")[0] if isinstance(attempt, str) else self._elsewhere(test)
            if group is not None:
                self.classes[test.nodeid] = group
        items[:] = [test for test in items if test.nodeid in self.classes]

    def _elsewhere(self, test: pytest.Function) -> str | None:
        path = test.nodeid.partition(".py::")[0].removeprefix("tests/")
        for group, files in ELSEWHERE.items():
            if path in files and test.originalname in named(test.module, files[path]):
                return group
        return None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        group = self.classes[report.nodeid]
        self.made[group] += report.when == "call" and not report.skipped
        self.succeeded[group] += report.failed


def printed(made: Made | None) -> str:
    """Write the table; without a run only what there is to try."""
    rows = [f"| {group} | {count} |" for group, count in counts().items()]
    head = ["| Class | Attempts |", "|---|---|"]
    if made is not None:
        rows = [f"{row} {made.made[name]} | {made.succeeded[name]} |" for row, name in zip(rows, counts(), strict=True)]
        rows.append(f"| all | {counts().total()} | {made.made.total()} | {made.succeeded.total()} |")
        head = ["| Class | Attempts | Made | Succeeded |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def main() -> int:
    made = Made()
    paths = {f"tests/{path}.py" for files in ELSEWHERE.values() for path in files}
    options = ["-q", "--assert=plain", *sys.argv[1:]]  # plain: much is imported that pytest would have to rewrite
    result = pytest.main([*options, "tests/sandbox/test_escapes.py", *sorted(paths)], [made])
    sys.stdout.write(f"\n{platform.system()} {platform.release()}\n\n{printed(made)}")
    return int(result)


if __name__ == "__main__":
    sys.exit(main())
