"""Programs that are run for a reader: each has an end."""

from __future__ import annotations

import pytest

from workhand.utilities.budget import OverBudget, Unreadable
from workhand.utilities.programs import need, run


def test_what_a_program_prints_is_given() -> None:
    assert run(["/bin/echo", "a"], time_s=20, output_bytes_max=100) == b"a\n"


@pytest.mark.parametrize(
    ("argv", "kind", "sentence"),
    [
        (["/bin/sleep", "600"], OverBudget, r"^sleep had not ended after 0.2 s, so it was stopped\.$"),
        (["/usr/bin/head", "-c", "5000000", "/dev/zero"], OverBudget, "^head wrote more than 1 MB, so it was stopped"),
        (["/bin/sh", "-c", "echo first >&2; echo why >&2; exit 3"], Unreadable, "^sh failed: why$"),
        (["/bin/false"], Unreadable, r"^false failed: it ended with status 1\.$"),
    ],
)
def test_what_a_program_does_too_long_or_not_at_all_is_one_sentence(
    argv: list[str], kind: type[Exception], sentence: str
) -> None:
    time_s = 0.2 if "sleep" in argv[0] else 20.0
    with pytest.raises(kind, match=sentence):
        run(argv, time_s=time_s, output_bytes_max=1 << 20)


def test_the_first_program_that_is_there_is_taken() -> None:
    assert need("no-such-program", "sh", purpose="this").endswith("/sh")
    with pytest.raises(Unreadable, match="There is no no-such-program or nor-this in this machine, and it needs it"):
        need("no-such-program", "nor-this", purpose="it")
