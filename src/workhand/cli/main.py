"""The command ``workhand``: its commands, and what its exit codes mean.

Each command is imported when it is called, so that ``--help`` answers at once.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import NoReturn

import click

from workhand import errors

COMMANDS = {
    "run": "work",
    "resume": "work",
    "say": "work",
    "pause": "work",
    "cancel": "work",
    "sessions": "look",
    "show": "look",
    "restore": "look",
    "rewind": "keep",
    "fork": "keep",
    "export": "keep",
    "import": "keep",
    "delete": "keep",
    "models": "machine",
    "doctor": "machine",
    "sandbox": "machine",
    "demo": "demo",
}

EXIT: tuple[tuple[type[errors.WorkhandError], int], ...] = (
    (errors.ConfigError, 3),
    (errors.ModelError, 4),
    (errors.SandboxError, 5),
    (errors.StoreError, 6),
)
EPILOG = """\b
Exit codes: 0 done, 1 a fault of Workhand itself, 2 wrong usage, 3 something is not configured,
4 the model failed, 5 no sandbox, 6 the session store, 7 waiting for your answer, 8 a limit was
reached, 9 the model got stuck, 10 cancelled, 130 paused with Ctrl-C."""


class Commands(click.Group):
    """The commands in the order in which people need them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"workhand.cli.{COMMANDS[cmd_name]}")
        command = getattr(module, f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        return command


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
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
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:  # whoever read our output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(wrong.exit_code)
    except (errors.WorkhandError, BaseExceptionGroup) as raised:
        leaf = _leaf(raised)
        if not isinstance(leaf, errors.WorkhandError):
            raise
        click.echo(f"workhand: {leaf}", err=True)
        sys.exit(next((code for kind, code in EXIT if isinstance(leaf, kind)), 1))
    sys.exit(0)


def _leaf(error: BaseException) -> BaseException:
    """Give the error that a task group wrapped."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
