"""``rewind``, ``fork``, ``export``, ``import`` and ``delete``: keeping sessions."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click

from workhand.cli.display import words
from workhand.cli.session import files
from workhand.cli.session import place as places
from workhand.cli.session.guarding import guard_set
from workhand.cli.settings import Settings, load
from workhand.core.decide import open_call
from workhand.core.events import (
    Event,
    FilesNotSaved,
    FilesSaved,
    Forked,
    ModelAnswered,
    Rewound,
    SessionStarted,
    ToolReturned,
    UserSaid,
)
from workhand.core.log import Entry, Log
from workhand.core.ports import SessionRow
from workhand.core.saved import snapshot_at, snapshots
from workhand.errors import ConfigError

if TYPE_CHECKING:
    from workhand.store.sqlite import SqliteStore

GRACE_S = 3_600.0  # an original that no event names yet may belong to an event that is about to be written


@click.command("rewind")
@click.argument("session")
@click.option("--to", "position", type=int, metavar="N", help="The first position that is taken out of view.")
@click.option("--keep-files", is_flag=True, help="Let the files stay as they are now.")
def rewind_command(session: str, position: int | None, keep_files: bool) -> None:
    """Take a SESSION back to before position N, conversation and files; without --to, list the positions.

    Nothing is deleted: the log keeps what goes out of view, and a snapshot keeps the files as they are now.
    `workhand fork` with the position that is named in the answer brings both back.

    \b
    workhand rewind 3fa9                    the positions
    workhand rewind 3fa9 --to 41
    """
    anyio.run(_rewind, load(), session, position, keep_files)


@click.command("fork")
@click.argument("session")
@click.option("--at", "position", type=int, metavar="N", help="Share the entries before position N; default all.")
def fork_command(session: str, position: int | None) -> None:
    """Start a new session that shares the beginning of SESSION, with its files as they were there.

    Nothing that happens in the one is seen in the other. Where the host can stack layers, no file is copied.
    What runs in the machine of a session at rest goes on in both, if the machine is gVisor's and you are root.

    \b
    workhand fork 3fa9                      then: workhand say NEW "Try it in Rust instead"
    workhand fork 3fa9 --at 41
    """
    anyio.run(_fork, load(), session, position)


@click.command("export")
@click.argument("session")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--no-workspace", is_flag=True, help="Leave the files of the workspace out.")
@click.option("--with-secrets", is_flag=True, help="Write it although it holds the value of a secret.")
def export_command(session: str, file: Path | None, no_workspace: bool, with_secrets: bool) -> None:
    """Write a SESSION to one FILE (default SESSION.workhand): its log, all originals, its workspace.

    All of it is searched for the values of your secrets first.
    """
    anyio.run(_export, load(), session, file, no_workspace, with_secrets)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
def import_command(file: Path) -> None:
    """Read a session from a FILE that `workhand export` wrote.

    It is guarded as your settings say, whatever its own log says: the file may be somebody else's.
    """
    anyio.run(_import, load(), file)


@click.command("delete")
@click.argument("session")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete_command(session: str, yes: bool) -> None:
    """Delete a SESSION with its log and its own workspace; a workspace that you gave stays."""
    anyio.run(_delete, load(), session, yes)


async def _rewind(settings: Settings, prefix: str, position: int | None, keep_files: bool) -> None:
    from workhand.cli.session import wiring

    async with wiring.open_store(settings) as store:
        row = await wiring.resolve(store, prefix)
        record = await store.read(row.id)
        log = Log.of(record)
        if position is None:
            for entry in log.entries:
                if isinstance(entry.event, UserSaid | ModelAnswered):
                    click.echo(f"{entry.position:>5}  {words.line(entry.event)}")
            return
        _check_position(record, position)
        _check_idle(row)
        place = places.find(settings, row.id)
        with wiring.held(place, row.id):
            claim = await store.claim(row.id, owner=wiring.this_process())
            append = partial(store.append, claim, at=wiring.SystemClock().now())
            went = "The files stay as they are."
            if not keep_files and (snapshot := snapshot_at(record, position)) and files.is_there(settings, snapshot):
                done = await files.save(settings, place, snapshots(log))
                await append(log.head, (done,), status="waiting")
                log = log.then(done)
                if isinstance(done, FilesNotSaved):
                    raise ConfigError(f"The files as they are now cannot be kept; add --keep-files. {done.reason}")
                changed = await anyio.to_thread.run_sync(files.restore, settings, place, snapshot)
                went = f"{changed:,} files were put back; `workhand fork {row.id} --at {log.head}` has all as it was."
            elif not keep_files:
                went += " No snapshot holds them as they were then."
            settings.suspended.forget(row.id)  # what runs there is of a later time
            await append(log.head, (Rewound(position),), status="runnable")
    click.echo(f"Session {row.id} is back before position {position}; `workhand resume {row.id}` goes on from there.")
    click.echo(went)


async def _fork(settings: Settings, prefix: str, position: int | None) -> None:
    from workhand.cli.session import wiring

    async with wiring.open_store(settings) as store:
        row = await wiring.resolve(store, prefix)
        record = await store.read(row.id)
        log = Log.of(record)
        at = log.head if position is None else position
        if position is not None:
            _check_position(record, position)
        child, now = wiring.new_id(), wiring.SystemClock().now()
        begun: tuple[Event, ...] = (Forked(row.id, at),)
        snapshot = snapshot_at(record, at) if position is not None else None
        try:
            source = places.find(settings, row.id)
            if position is None and isinstance(done := await files.save(settings, source, snapshots(log)), FilesSaved):
                snapshot, begun = done.snapshot, (*begun, done)
            if snapshot is not None and files.is_there(settings, snapshot):
                await anyio.to_thread.run_sync(places.fork, settings, child, snapshot)
            else:
                target = places.make(settings, child, workspace=None)
                await anyio.to_thread.run_sync(_copy, source.workspace, target.workspace)
                if position is not None:
                    click.echo("No snapshot holds the files as they were then; the fork has them as they are now.")
            await anyio.to_thread.run_sync(wiring.fork_model_state, settings, log.policy.model, row.id, child)
            await store.fork(row.id, at, child, title=row.title, at=now)
            claim = await store.claim(child, owner=wiring.this_process())
            await store.append(claim, at, begun, at=now, status="waiting")
            goes_on = position is None and settings.suspended.share(row.id, child)
        except BaseException:
            if child not in [each.id for each in await store.sessions()]:
                places.remove(settings, child)
            raise
    click.echo(
        f"Session {child} is a fork of {row.id} at {at}; `workhand resume {child}` or `workhand say {child} TEXT`."
    )
    if goes_on:
        click.echo("What ran in its machine goes on in both.")


async def _export(settings: Settings, prefix: str, file: Path | None, no_workspace: bool, with_secrets: bool) -> None:
    from workhand.cli.session import wiring
    from workhand.store.archive import export_session

    async with wiring.open_store(settings) as store:
        row = await wiring.resolve(store, prefix)
        target = file or Path(f"{row.id}.workhand")
        place = None if no_workspace else places.find(settings, row.id)
        if not with_secrets:
            await _check_secrets(settings, store, row.id, place)
        await export_session(store, row.id, target, workspace=places.walk(place.workspace) if place else ())
    click.echo(f"{target}: {target.stat().st_size:,} bytes; `workhand import {target}` reads it anywhere.")


async def _check_secrets(settings: Settings, store: SqliteStore, session: str, place: places.Place | None) -> None:
    """Refuse to write what holds the value of a secret.  Raises ``ConfigError`` naming it and where it is."""
    from workhand.cli.session.surroundings import readable, secrets_in
    from workhand.store.codec import encode_line

    if not (held := readable(settings)):
        return
    record = await store.read(session)
    named = {event.observation.blob for entry in record if isinstance(event := entry.event, ToolReturned)}
    for entry in record:
        _check(f"entry {entry.position}", await secrets_in(encode_line(entry), held))
    for digest in sorted(filter(None, named)):
        _check("what a tool brought", await secrets_in(await store.get(digest), held))
    for path, content, _ in places.walk(place.workspace) if place else ():
        _check(f"the file {path!r}", await secrets_in(content, held))


def _check(where: str, found: tuple[str, ...]) -> None:
    if found:
        raise ConfigError(f"The value of {found[0]!r} is in {where}; take it out, or add --with-secrets.")


async def _import(settings: Settings, file: Path) -> None:
    from workhand.cli.session import wiring
    from workhand.store.archive import import_session

    async with wiring.open_store(settings) as store:
        session = wiring.new_id()
        place = places.make(settings, session, workspace=None)
        try:
            now = wiring.SystemClock().now()
            put = partial(places.put, place.workspace)
            await import_session(store, file, at=now, session=session, place=put)
            await wiring.set_guard(store, await wiring.resolve(store, session), guard_set(settings))
        except BaseException:
            places.remove(settings, session)
            raise
    click.echo(f"Session {session} is imported; `workhand show {session}` shows it.")


async def _delete(settings: Settings, prefix: str, yes: bool) -> None:
    from workhand.cli.session import wiring

    async with wiring.open_store(settings) as store:
        row = await wiring.resolve(store, prefix)
        _check_idle(row)
        if not yes and not sys.stdin.isatty():
            raise click.UsageError(f"Session {row.id} was not deleted, as nobody can be asked here; add --yes.")
        if not yes:
            click.confirm(f"Delete session {row.id} ({words.short(row.title, 50)}) with its log and files?", abort=True)
        await store.delete(row.id)
        await store.sweep(at=wiring.SystemClock().now(), grace_s=GRACE_S)
        settings.suspended.forget(row.id)
        places.remove(settings, row.id)
        await files.collect(settings, store)
    click.echo(f"Session {row.id} is deleted.")


def _check_position(record: tuple[Entry, ...], position: int) -> None:
    log = Log.of(record)
    first = log.index(SessionStarted) + 2
    if not first <= position <= log.head:
        raise ConfigError(f"Position {position} cannot be chosen; give one from {first} to {log.head}.")
    before = Log.of(entry for entry in record if entry.position < position)
    if call := open_call(before):  # its tool would run again
        asked = before.entries[before.index(ModelAnswered)].position
        raise ConfigError(f"Position {position} is inside call {call.id}; give {asked}, where the model chose it.")


def _check_idle(row: SessionRow) -> None:
    from workhand.cli.session.wiring import lives

    if row.status == "running" and lives(row.owner):
        raise ConfigError(f"Session {row.id} is running; `workhand pause {row.id}` first.")


def _copy(source: Path, target: Path) -> None:
    for path, content, mode in places.walk(source):
        places.put(target, path, content, mode)
