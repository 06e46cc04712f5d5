"""``workhand lab``: measuring policies on recorded sessions.

Each command is a module of ``workhand.cli.lab`` with ``NAME_command`` in it, imported when it
is called; to add one, add it to ``COMMANDS``.
"""

from __future__ import annotations

import importlib

import click

COMMANDS = {"import": "importing", "replay": "replay", "optimum": "optimum", "sweep": "sweep", "live": "live"}


class LabCommands(click.Group):
    """The commands in the order in which people need them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"workhand.cli.lab.{COMMANDS[cmd_name]}")
        command = getattr(module, f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        return command


@click.group("lab", cls=LabCommands)
def lab_command() -> None:
    """Measure on recorded sessions what a way of keeping the context costs."""
