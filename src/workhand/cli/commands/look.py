"""``sessions``, ``show`` and ``restore``: looking at what there is."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import anyio
import click

from workhand.cli.display import words
from workhand.cli.settings import Settings, load
from workhand.core import canonical
from workhand.core.events import (
    ModelAnswered,
    PlanChanged,
    Published,
    Resumed,
    SandboxOpened,
    SessionEnded,
    ToolReturned,
    UserSaid,
)
from workhand.core.log import Entry, Log
from workhand.core.ports import SessionRow
from workhand.core.render import render
from workhand.errors import ConfigError


@click.command("sessions")
@click.option("--json", "as_json", is_flag=True, help="One session a line.")
def sessions_command(as_json: bool) -> None:
    """List the sessions, newest first."""
    anyio.run(_sessions, load(), as_json)


@click.command("show")
@click.argument("session")
@click.option("--events", "what", flag_value="events", help="Every event, with its position.")
@click.option("--errors", "what", flag_value="errors", help="Every failure, with its trace, and the call that failed.")
@click.option("--plan", "what", flag_value="plan", help="The plan as it stands.")
@click.option("--context", "what", flag_value="context", help="What filled the context, what was cut, what it cost.")
@click.option("--prompt", type=click.IntRange(0), metavar="N", help="What the model read at position N, byte for byte.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="The context as one page; - is stdout.")
@click.option("--svg", type=click.Path(path_type=Path), metavar="FILE", help="Its timeline as a picture; - is stdout.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show_command(
    session: str, what: str | None, prompt: int | None, html: Path | None, svg: Path | None, as_json: bool
) -> None:
    """Show a SESSION: how it stands, or one of its sides.

    \b
    workhand show 3fa9
    workhand show 3fa9 --context
    workhand show 3fa9 --context --html context.html
    workhand show 3fa9 --prompt 42 | head -1
    """
    if html is not None or svg is not None or what == "context":
        anyio.run(_show_context, load(), session, html, svg, as_json)
    else:
        anyio.run(_show, load(), session, what or ("prompt" if prompt is not None else "summary"), prompt or 0, as_json)


@click.command("restore")
@click.argument("session")
@click.argument("call")
@click.option("--arguments", is_flag=True, help="Give the call's own arguments, as the model wrote them.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write to a file instead of stdout.")
def restore_command(session: str, call: str, arguments: bool, output: Path | None) -> None:
    """Give the untouched original of what CALL brought, or of what it was called with, byte for byte.

    CALL is the id of the call (c12) or the position of its result, as `workhand show SESSION --events` lists them.
    """
    content = anyio.run(_written if arguments else _original, load(), session, call)
    if output is None:
        sys.stdout.buffer.write(content)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"{str(output)!r} cannot be written: {error.strerror}; give another path.") from error


async def _sessions(settings: Settings, as_json: bool) -> None:
    from workhand.cli.session import wiring

    async with wiring.open_store(settings) as store:
        rows = await store.sessions()
    if as_json:
        for row in rows:
            click.echo(canonical.encode(replace(row, status=status_of(row))).decode())
        return
    if not rows:
        click.echo('There are no sessions yet: workhand run "..." starts one, workhand demo shows how it works.')
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in ("session", "status", "changed", "events", "task"):
        table.add_column(column, style="bold" if column == "session" else "", no_wrap=column != "task")
    for row in rows:
        title = Text(words.short(row.title, 60))
        table.add_row(row.id, status_of(row), words.when(row.updated_at), str(row.head), title)
    Console().print(table)


def status_of(row: SessionRow) -> str:
    """Give the status as it really is: a running session whose process is gone was interrupted."""
    from workhand.cli.session.wiring import lives

    return "interrupted" if row.status == "running" and not lives(row.owner) else row.status


async def _show(settings: Settings, prefix: str, what: str, position: int, as_json: bool) -> None:
    from workhand.cli.session import wiring

    async with wiring.open_store(settings) as store:
        row = await wiring.resolve(store, prefix)
        record = await store.read(row.id)
    log = Log.of(record)
    match what:
        case "events":
            from workhand.cli.display.view import entry_json

            for entry in record:
                seen = f"{entry.position:>5}  {words.when(entry.at)}  {type(entry.event).__name__:<16} "
                call = f"{entry.event.call_id}: " if isinstance(entry.event, ToolReturned) else ""
                click.echo(entry_json(entry) if as_json else seen + call + words.line(entry.event))
        case "errors":
            _show_errors(record, as_json)
        case "plan":
            _show_plan(log, as_json)
        case "prompt":
            _show_prompt(log, position)
        case _:
            _show_summary(settings, row, log, as_json)


async def _show_context(settings: Settings, prefix: str, html: Path | None, svg: Path | None, as_json: bool) -> None:
    from workhand.cli.display import context
    from workhand.cli.session import wiring

    async with wiring.open_store(settings) as store:
        row = await wiring.resolve(store, prefix)
        log = Log.of(await store.read(row.id))
    context.show(log, row.id, as_json=as_json, html=html, svg=svg)


def _show_errors(record: tuple[Entry, ...], as_json: bool) -> None:
    calls = {call.id: call for entry in record if isinstance(entry.event, ModelAnswered) for call in entry.event.calls}
    for entry in record:
        event = entry.event
        if not isinstance(event, ToolReturned) or event.observation.ok:
            continue
        call = calls[event.call_id]
        if as_json:
            facts = {"position": entry.position, "call": call, "how": event.how, "text": event.observation.full}
            click.echo(canonical.encode(facts).decode())
        else:
            click.echo(f"{entry.position:>5}  {event.call_id}  {event.how:<8} {words.call_line(call)}")
            click.echo("".join(f"       {line}\n" for line in words.clean(event.observation.full).splitlines()))


def _show_plan(log: Log, as_json: bool) -> None:
    changed = log.latest(PlanChanged)
    if as_json:
        click.echo(canonical.encode(changed.plan if changed else None).decode())
    else:
        click.echo("\n".join(words.plan_lines(changed.plan)) if changed else "There is no plan yet.")


def _show_prompt(log: Log, position: int) -> None:
    if position > log.head:
        raise ConfigError(f"The session has no position {position}; the last one is {log.head - 1}.")
    upto = Log.of(entry for entry in log.entries if entry.position < position)
    prompt = render(upto, log.policy)
    for piece in prompt.body:
        sys.stdout.buffer.write(piece + b"\n")
    if prompt.tail:
        sys.stdout.buffer.write(canonical.encode({"tail": prompt.tail}) + b"\n")


def _show_summary(settings: Settings, row: SessionRow, log: Log, as_json: bool) -> None:
    from workhand.cli.commands import work
    from workhand.cli.session import place

    spent, ended = log.spent, log.latest(SessionEnded)
    where = place.find(settings, row.id)
    files = [str(path) for path in work.delivered(log, where)]
    shown = published(row, log)
    if as_json:
        facts = {
            "session": replace(row, status=status_of(row)),
            "spent": spent,
            "files": files,
            "published": shown,
            "workspace": str(where.workspace),
        }
        click.echo(canonical.encode(facts).decode())
        return
    from workhand.cli.display.view import meter

    click.echo(f"{row.id}  {status_of(row)}{': ' + words.line(ended) if ended and row.status == 'ended' else ''}")
    for event in log.events:
        if isinstance(event, UserSaid):
            click.echo(f"you ▸ {words.clean(event.text)}")
        elif isinstance(event, ModelAnswered):
            for call in event.calls:
                if call.tool in ("message_ask", "message_result"):
                    click.echo(f"workhand ▸ {words.argument(call, 'text')}")
    _show_plan(log, as_json=False)
    click.echo(meter(log))
    click.echo(f"workspace: {where.workspace}")
    for path in files:
        click.echo(f"file: {path}")
    for address in shown:
        click.echo(f"published: {address}")


def published(row: SessionRow, log: Log) -> list[str]:
    """Give the addresses at which ports of a session's machine are shown; they go with the process that holds it."""
    from workhand.cli.session.wiring import lives

    if not lives(row.owner):
        return []
    last = {event.port: event.address for event in log.since(SandboxOpened, Resumed) if isinstance(event, Published)}
    return [address for address in last.values() if address]


async def _written(settings: Settings, prefix: str, call: str) -> bytes:
    """Give the arguments of a call, found by its id or by the position of its answer or its result."""
    from workhand.cli.session import wiring

    async with wiring.open_store(settings) as store:
        row = await wiring.resolve(store, prefix)
        record = await store.read(row.id)
    named = {call} | {
        entry.event.call_id for entry in record if isinstance(entry.event, ToolReturned) and call == str(entry.position)
    }
    for entry in record:
        if isinstance(entry.event, ModelAnswered):
            for each in entry.event.calls:
                if each.id in named or call == str(entry.position):
                    return each.arguments.encode()
    raise ConfigError(f"Session {row.id} has no call {call!r}; `workhand show {row.id} --events` has them.")


async def _original(settings: Settings, prefix: str, call: str) -> bytes:
    from workhand.cli.session import wiring

    async with wiring.open_store(settings) as store:
        row = await wiring.resolve(store, prefix)
        returned = next(
            (
                entry.event
                for entry in await store.read(row.id)
                if isinstance(entry.event, ToolReturned) and call in (entry.event.call_id, str(entry.position))
            ),
            None,
        )
        if returned is None:
            raise ConfigError(
                f"Session {row.id} has no result of {call!r}; `workhand show {row.id} --events` has them."
            )
        seen = returned.observation
        return await store.get(seen.blob) if seen.blob else seen.full.encode()
