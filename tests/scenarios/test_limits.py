"""An agent that runs into a limit of its machine is told so, and a person too."""

from __future__ import annotations

import pytest

from tests.cli.command import BEGIN, DELIVER, PLAN, Workhand, shell

pytestmark = pytest.mark.usefixtures("require_bubblewrap")

CROWD = shell("for i in $(seq 64); do sleep 4 & done; true")


def test_the_result_of_a_call_says_which_limit_it_ran_into(workhand: Workhand) -> None:
    workhand.settings("[machine]\nprocesses = 32\n")
    probed = workhand("sandbox", "probe", "--json").lines[0]
    if not probed["limits"].startswith("cgroup"):
        pytest.skip("no control group can be made here: nothing counts")
    assert workhand("run", "--model", workhand.script(PLAN, BEGIN, CROWD, DELIVER), "Work").code == 0
    told = [
        line["event"]["observation"]["full"]
        for line in workhand.events(workhand.session())
        if "observation" in line["event"]
    ]
    assert [text for text in told if "could not be started: at most 32 may run at once]" in text]


def test_a_command_of_a_persons_says_so_on_standard_error(workhand: Workhand) -> None:
    workhand.settings("[machine]\nmemory_bytes = 67108864\n")
    if not workhand("sandbox", "probe", "--json").lines[0]["limits"].startswith("cgroup"):
        pytest.skip("no control group can be made here: nothing counts")
    ran = workhand("sandbox", "exec", "--", "python3", "-c", "b'x' * (1 << 28)")
    assert "workhand: limit: 1 processes were killed: together they wanted more than the 64 MiB" in ran.err
