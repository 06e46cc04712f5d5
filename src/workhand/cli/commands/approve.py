"""``approve``, ``deny`` and ``approvals``: what a person allows, once or for longer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal, TypeAlias

import anyio
import click

from workhand.cli.display import listing, words
from workhand.cli.session import guarding
from workhand.cli.settings import Settings, load
from workhand.core.consent.asking import waiting
from workhand.core.events import ApprovalAsked, ApprovalGiven
from workhand.core.log import Log
from workhand.errors import ConfigError

if TYPE_CHECKING:
    from workhand.store.sqlite import SqliteStore

Given: TypeAlias = Literal["once", "session", "always", "no"]
TYPED: tuple[tuple[tuple[str, ...], Given], ...] = (
    (("y", "yes", "once"), "once"),
    (("s", "session"), "session"),
    (("a", "always"), "always"),
    (("n", "no"), "no"),
)


@click.command("approve")
@click.argument("session")
@click.option(
    "--for",
    "lasting",
    default="once",
    type=click.Choice(["once", "session", "always"]),
    show_default=True,
    help="How long the answer holds.",
)
@click.option("--later", is_flag=True, help="Only leave the answer; do not go on with the session.")
@click.option("--json", "as_json", is_flag=True, help="One event a line on stdout.")
def approve_command(session: str, lasting: Given, later: bool, as_json: bool) -> None:
    """Allow what a SESSION waits to do, and go on with it.

    \b
    workhand approve 3fa9
    workhand approve 3fa9 --for session        the like of it, too, in this session
    workhand approve 3fa9 --for always         in every session; `workhand approvals` lists and revokes
    """
    _finish(session, lasting, later, as_json)


@click.command("deny")
@click.argument("session")
@click.option("--later", is_flag=True, help="Only leave the answer; do not go on with the session.")
@click.option("--json", "as_json", is_flag=True, help="One event a line on stdout.")
def deny_command(session: str, later: bool, as_json: bool) -> None:
    """Forbid what a SESSION waits to do; it goes on, and looks for another way."""
    _finish(session, "no", later, as_json)


@click.group("approvals", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One answer a line.")
@click.pass_context
def approvals_command(ctx: click.Context, as_json: bool) -> None:
    """List what you have allowed for every session.

    \b
    workhand approvals
    workhand approvals revoke 2
    """
    if ctx.invoked_subcommand is not None:
        return
    rows = [
        ({"number": number, "answer": each}, f"{number:>3}  {each.rule}: {each.subject}")
        for number, each in enumerate(guarding.remembered(load()).answers(), 1)
    ]
    listing.show(rows, as_json=as_json, empty="Nothing is allowed for every session: an answer of `always` does that.")


@approvals_command.command("revoke")
@click.argument("numbers", nargs=-1, type=click.IntRange(1), required=True)
def revoke_command(numbers: tuple[int, ...]) -> None:
    """Take back the answers with these NUMBERS; sessions ask again from their next waking on."""
    remembered = guarding.remembered(load())
    known = remembered.answers()
    if wrong := [number for number in numbers if number > len(known)]:
        raise ConfigError(f"There is no answer {wrong[0]!r}; `workhand approvals` lists {len(known)}.")
    for number in sorted(set(numbers)):
        remembered.revoke(known[number - 1])
        click.echo(f"Revoked: {known[number - 1].rule}: {known[number - 1].subject}")


def _finish(session: str, answer: Given, later: bool, as_json: bool) -> None:
    sys.exit(anyio.run(_give, load(), session, answer, later, as_json))


async def _give(settings: Settings, prefix: str, answer: Given, later: bool, as_json: bool) -> int:
    from workhand.cli.commands.work import carry_on
    from workhand.cli.session import wiring

    async with wiring.open_store(settings) as store:
        row = await wiring.resolve(store, prefix)
        question = waiting(Log.of(await store.read(row.id)))
        if question is None:
            raise ConfigError(f"Session {row.id} does not wait for an approval; `workhand show {row.id}` shows it.")
        await give(settings, store, row.id, question, answer)
        if later:
            click.echo(f"The answer waits; `workhand resume {row.id}` goes on.", err=True)
            return 0
        return await carry_on(settings, store, row.id, as_json)


async def give(settings: Settings, store: SqliteStore, session: str, question: ApprovalAsked, answer: Given) -> None:
    """Leave an answer for a session, and remember it for all where that was said."""
    if answer in ("session", "always") and not question.lasting:
        raise ConfigError(f"{question.what!r} cannot be undone, so it is asked for each time; answer with `once`.")
    if answer == "always":
        guarding.remembered(settings).remember(question.rule, question.subject)
    await store.post(session, ApprovalGiven(question.id, answer, question.rule, question.subject))


def asked(question: ApprovalAsked) -> str:
    """Put a question to a person."""
    longer = f"  [s] for this session: {words.short(question.subject, 60)}  [a] always" if question.lasting else ""
    return (
        f"approve? {words.short(question.what, 200)}\n  {words.short(question.why, 200)} (rule {question.rule})\n"
        f"  [y] once{longer}  [n] no"
    )


def understood(line: str, question: ApprovalAsked) -> Given | None:
    """Read what a person typed; nothing if it was none of the answers."""
    given = next((given for typed, given in TYPED if line.strip().lower() in typed), None)
    return None if given in ("session", "always") and not question.lasting else given
