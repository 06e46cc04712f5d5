"""``workhand lab``: measuring policies on recorded sessions."""

from __future__ import annotations

import click

from workhand.cli.lazy import LazyGroup

COMMANDS = {"import": "importing", "replay": "replay", "optimum": "optimum", "sweep": "sweep", "live": "live"}


@click.group("lab", cls=LazyGroup, package="workhand.cli.lab", modules=COMMANDS)
def lab_command() -> None:
    """Measure on recorded sessions what a way of keeping the context costs."""
