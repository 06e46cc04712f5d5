"""The command ``workhand``: its commands, and what its exit codes mean."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

import click

from workhand import errors
from workhand.cli.lazy import LazyGroup

COMMANDS = {
    "run": "work",
    "resume": "work",
    "say": "work",
    "pause": "work",
    "cancel": "work",
    "approve": "approve",
    "deny": "approve",
    "approvals": "approve",
    "secrets": "keys",
    "sessions": "look",
    "show": "look",
    "open": "open",
    "restore": "look",
    "rewind": "keep",
    "fork": "keep",
    "export": "keep",
    "import": "keep",
    "delete": "keep",
    "models": "models",
    "doctor": "doctor",
    "sandbox": "machine",
    "browser": "browser",
    "mcp": "mcp",
    "api": "api",
    "data": "data",
    "skills": "skills",
    "packages": "packages",
    "demo": "demo",
    "gate": "gate",
    "lab": "lab",
}

EXIT: tuple[tuple[type[errors.WorkhandError], int], ...] = (
    (errors.ConfigError, 3),
    (errors.ModelError, 4),
    (errors.SandboxError, 5),
    (errors.StoreError, 6),
    (errors.ServerFailed, 11),
)
EXPECTED = (
    click.exceptions.Exit,
    click.Abort,
    click.ClickException,
    errors.WorkhandError,
    KeyboardInterrupt,
    BrokenPipeError,
)
EPILOG = """\b
Exit codes: 0 done, 1 a fault of Workhand itself, 2 wrong usage, 3 something is not configured,
4 the model failed, 5 no sandbox, 6 the session store, 7 waiting for your answer, 8 a limit was
reached, 9 the model got stuck, 10 cancelled, 11 an MCP server failed, 130 paused with Ctrl-C."""


@click.group(
    cls=LazyGroup,
    package="workhand.cli.commands",
    modules=COMMANDS,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="workhand")
def workhand() -> None:
    """An open general agent: give it a task, and it works until it hands over the result.

    \b
    workhand demo                                    a guided tour on a small model in this process
    workhand run "Summarise these notes" --attach notes.md
    workhand run "Fix the failing test" --workspace . --model openai-chat:gpt-6.1-sol
    workhand sessions                                what there is; then show, resume, say, fork ...
    """


def main() -> NoReturn:
    """Run the command line and end the process with a documented exit code."""
    try:
        workhand(standalone_mode=False)
    except BaseExceptionGroup as wrapped:
        sys.exit(_end(_leaf(wrapped)))
    except EXPECTED as raised:
        sys.exit(_end(raised))
    finally:  # all is done and durable: a late Ctrl-C must not turn the exit code into a death by signal
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(0)


def _end(raised: BaseException) -> int:
    """Say what a person needs to know of what ended the command, and give its exit code."""
    match raised:
        case click.exceptions.Exit(exit_code=code):
            return int(code)
        case click.Abort() | KeyboardInterrupt():
            return 130
        case click.ClickException():
            raised.show()
            return raised.exit_code
        case errors.WorkhandError():
            click.echo(f"workhand: {raised}", err=True)
            return next((code for kind, code in EXIT if isinstance(raised, kind)), 1)
        case BrokenPipeError() | SystemExit():  # whoever read our output has enough; rich exits at once
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
    raise raised


def _leaf(error: BaseException) -> BaseException:
    """Give the error that a task group wrapped."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
