"""Put the help of every command into ``docs/cli.md``, where it has it: ``python -m tests.cli.make_page``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from workhand.cli.main import workhand

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
WIDTH = 100


def commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    """Give all commands with their full names."""
    for each in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), each)
        assert command is not None
        yield f"{name} {each}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {each}")


COMMANDS = dict(commands(workhand, "workhand"))


def help_of(name: str) -> str:
    context = click.Context(COMMANDS[name], info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
    return COMMANDS[name].get_help(context)


def block(name: str) -> str:
    return f"```text\n{help_of(name)}\n```"


if __name__ == "__main__":
    text = PAGE.read_text()
    for name in COMMANDS:
        before = re.search(rf"```text\nUsage: {name} [A-Z\[].*?\n```", text, flags=re.DOTALL)
        text = text.replace(before[0], block(name)) if before else text
    PAGE.write_text(text)
