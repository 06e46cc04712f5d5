"""The ``shell_`` family: persistent terminals in the session's machine.

The compact form of an outcome is the command and how it ended.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

from workhand.core.excerpt import line
from workhand.core.ports import Executed, Outcome, Sandbox, Watch
from workhand.tools.file import READ_BYTES_MAX
from workhand.tools.printing import prints_kept

OUTPUT_BYTES_MAX = 8_000_000
COMMAND_CHARS_SHOWN = 72


@dataclass(frozen=True, slots=True)
class ShellRun:
    command: str
    shell: str = "main"
    timeout_s: int = 60


@dataclass(frozen=True, slots=True)
class ShellView:
    shell: str = "main"
    wait_s: int = 0


@dataclass(frozen=True, slots=True)
class ShellInput:
    text: str
    shell: str = "main"


async def shell_run(asked: ShellRun, sandbox: Sandbox, watch: Watch) -> Outcome:
    try:
        went = await sandbox.shell_run(
            asked.shell, asked.command, timeout_s=asked.timeout_s, output_bytes_max=OUTPUT_BYTES_MAX, watch=watch
        )
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        text = f"Shell {asked.shell!r} still runs an earlier command: see shell_view, or use another shell name."
        return Outcome(text, text, ok=False)
    if went.exit_code is None:
        head = f"still running after {asked.timeout_s} s in shell {asked.shell}; look again with shell_view"
    else:
        head = _ended(went.exit_code)
    read_back = len(went.stdout) <= READ_BYTES_MAX and prints_kept(asked.command)
    return _result(f"shell_run {line(asked.command, COMMAND_CHARS_SHOWN)}", head, went, as_is=read_back)


async def shell_view(asked: ShellView, sandbox: Sandbox) -> Outcome:
    try:
        went = await sandbox.shell_view(asked.shell, wait_s=asked.wait_s, output_bytes_max=OUTPUT_BYTES_MAX)
    except FileNotFoundError:
        return _no_shell(asked.shell)
    head = f"still running in shell {asked.shell}" if went.exit_code is None else _ended(went.exit_code)
    return _result(f"shell_view {asked.shell}", head, went)


async def shell_input(asked: ShellInput, sandbox: Sandbox) -> Outcome:
    try:
        await sandbox.shell_input(asked.shell, asked.text)
    except FileNotFoundError:
        return _no_shell(asked.shell)
    typed = f"typed {len(asked.text)} characters into shell {asked.shell}"
    return Outcome(f"{typed}; see the answer with shell_view", typed)


def _result(call: str, head: str, went: Executed, *, as_is: bool = False) -> Outcome:
    dropped = f"; {went.dropped_bytes:,} bytes left out of the middle" if went.dropped_bytes else ""
    silent = "" if went.stdout else ", no output"
    ok = went.exit_code in (0, None)
    state = "still running" if went.exit_code is None else head
    return Outcome(f"{head}{silent}{dropped}", f"{call}: {state}", went.stdout, ok=ok, as_is=as_is)


def _no_shell(shell: str) -> Outcome:
    text = f"There is no shell {shell!r} yet; shell_run starts one."
    return Outcome(text, text, ok=False)


def _ended(exit_code: int) -> str:
    return f"exit {exit_code}" if exit_code >= 0 else f"ended by signal {-exit_code}"
