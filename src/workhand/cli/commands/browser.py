"""``browser``: what a person does with the browsers of sessions."""

from __future__ import annotations

import anyio
import click

from workhand.cli.settings import load

MINUTES = 30.0


@click.group("browser")
def browser_command() -> None:
    """Take over the browser that a session works with."""


@browser_command.command("take")
@click.argument("session")
@click.option(
    "--minutes", default=MINUTES, show_default=True, type=click.FloatRange(0.1, 24 * 60), help="Give it back then."
)
def take_command(session: str, minutes: float) -> None:
    """Drive the browser of a SESSION yourself, from a page in your own browser: to log in, or to help.

    The agent waits until you press `Give back` there, or Ctrl-C here, and then looks again. Its log says that you came
    and went, and nothing of what you typed. A session that is at rest gets its browser opened for you.

    \b
    workhand browser take 3fa9
    workhand browser take 3fa9 --minutes 5
    """
    from workhand.cli.session.driving import drive

    anyio.run(drive, load(), session, minutes * 60)
