"""What a person sees: a real terminal, with the plan, the meter and the result in it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.cli.command import BEGIN, DELIVER, END_S, PLAN, Workhand, command, shell, wait

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][A-Z0-9]|\r")
ASK = {"tool": "message_ask", "arguments": {"text": "Which **colour**?"}}
NEXT = {"tool": "plan_update", "arguments": {"goal": "The goal.", "phases": ["One", "Two"], "done": 1}}


@dataclass
class Terminal:
    """A terminal of 100 columns with a command in it."""

    process: subprocess.Popen[bytes]
    fd: int
    shown: str = ""

    def until(self, text: str) -> None:
        """Read on until a text has been shown."""
        wait(lambda: self.read() and text in self.plain)

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def ends(self) -> int:
        """Read to the end, and give the exit code."""
        wait(lambda: not self.read())
        return self.process.wait(END_S)

    def read(self) -> bool:
        """Take what there is; say whether the terminal is still open."""
        try:
            self.shown += os.read(self.fd, 65_536).decode(errors="replace")
        except BlockingIOError:
            return True
        except OSError:  # the other end is closed, and all is read
            return False
        return True

    @property
    def plain(self) -> str:
        return ESCAPES.sub("", self.shown)


@contextmanager
def terminal(workhand: Workhand, *arguments: str) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    os.set_blocking(ours, False)
    environment = workhand.environment | {"TERM": "xterm-256color", "COLUMNS": "100"}
    process = subprocess.Popen(
        command(*arguments),
        env=environment,
        cwd=workhand.directory,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_a_terminal_shows_the_plan_the_action_its_output_the_meter_and_the_result(workhand: Workhand) -> None:
    slow = shell("echo halfway; until [ -e go ]; do sleep 0.02; done; echo went")
    model = workhand.script(PLAN, BEGIN, slow, NEXT, DELIVER)
    with terminal(workhand, "run", "--isolation", "none", "--model", model, "Do it") as shown:
        shown.until("halfway")  # live, while the command runs
        shown.until("[>] One")
        (workhand.home / "sessions" / workhand.session() / "workspace" / "go").touch()
        assert shown.ends() == 0
    for words in ("WARNING", "you ▸ Do it", "plan ▸ phase 1 of 2: One", "I begin.", "⋯ shell_run", "[ ] Two"):
        assert words in shown.plain
    assert re.search(r"context [█┊░]{24} [\d.,k]+ of trigger", shown.plain)
    assert re.search(r"cached \d+%\s+·\s+\$0\.0000\s+·\s+step \d", shown.plain)
    assert "All done." in shown.plain.rpartition("step")[0]
    said, context = shown.plain.rstrip().split("Session ")[-1].split("Context: ")
    assert re.match(r"[0-9a-f]{8}: answered\.", said)
    assert re.match(r"(> )?[\d.]+ % of what append-only would have cost, 0 unplanned breaks; `workhand show", context)


def test_a_question_is_answered_where_it_is_asked(workhand: Workhand) -> None:
    model = workhand.script(PLAN, ASK, BEGIN, DELIVER)
    with terminal(workhand, "run", "--isolation", "none", "--model", model, "Do it") as shown:
        shown.until("Which colour?")
        wait(lambda: shown.read() and shown.plain.endswith("you ▸ "))
        shown.type("blue\n")
        assert shown.ends() == 0
    said = [
        line["event"]["text"] for line in workhand.events(workhand.session()) if line["event"]["kind"] == "UserSaid"
    ]
    assert said == ["Do it", "blue"]


def test_ctrl_c_in_a_terminal_pauses_and_twice_leaves(workhand: Workhand) -> None:
    model = workhand.script(PLAN, BEGIN, shell("sleep 600"), DELIVER)
    with terminal(workhand, "run", "--isolation", "none", "--model", model, "Do it") as shown:
        shown.until("⋯ shell_run")
        shown.process.send_signal(signal.SIGINT)
        shown.until("Pausing after the current action")
        shown.process.send_signal(signal.SIGINT)
        assert shown.ends() == 130
    assert "nothing is lost" in shown.plain
    assert "Traceback" not in shown.plain


def test_the_list_of_sessions_fits_a_terminal(ended: Workhand) -> None:
    with terminal(ended, "sessions") as shown:
        assert shown.ends() == 0
    header, row = shown.plain.strip().splitlines()
    assert header.split() == ["session", "status", "changed", "events", "task"]
    assert row.split()[:2] == [ended.session(), "ended"]
