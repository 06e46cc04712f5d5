"""Sessions as other agents have them over MCP: begun here, carried on by processes of their own, read from the log."""

from __future__ import annotations

import mimetypes
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Literal

import anyio

from workhand.cli.display import words
from workhand.cli.session import place as places
from workhand.cli.session.guarding import guard_set
from workhand.cli.settings import Settings
from workhand.core.calls import stated
from workhand.core.consent.asking import waiting
from workhand.core.events import ModelAnswered, SessionEnded, UserSaid
from workhand.core.log import Log
from workhand.core.policy import Limits
from workhand.core.ports import SessionRow
from workhand.errors import ConfigError
from workhand.mcp.serve import Delivered, Followed
from workhand.store.sqlite import SqliteStore

FOLLOW_S, POLL_S = 20.0, 0.25
LINES_MAX = 200
FILE_BYTES_MAX = 16_000_000


class OfferedSessions:
    """The sessions of this installation."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def start(self, task: str) -> str:
        from workhand.cli.session import wiring

        settings = self._settings
        if not settings.model:
            raise ConfigError(wiring.NO_MODEL)
        async with self._store() as store, wiring.open_router(settings, settings.model) as model:
            session = wiring.new_id()
            policy = await wiring.new_policy(
                settings, settings.model, model, seed=session, limits=Limits(), steps_given=False
            )
            places.make(settings, session, workspace=None)
            await wiring.start(store, session, replace(policy, guard=guard_set(settings)), UserSaid(task))
        await self._carry_on(session)
        return session

    async def follow(self, id: str, after: int) -> Followed:
        async with self._store() as store:
            with anyio.move_on_after(FOLLOW_S):
                while (await self._row(store, id)).head <= after:  # noqa: ASYNC110 - it happens in another process
                    await anyio.sleep(POLL_S)
            row = await self._row(store, id)
            log = Log.of(await store.read(row.id))
        fresh = [entry for entry in log.entries if entry.position >= after][:LINES_MAX]
        lines = tuple(f"{entry.event.kind}: {line}" for entry in fresh if (line := words.line(entry.event)))
        question = waiting(log)
        if question is not None and row.status == "waiting":
            lines = (*lines, f"It asks: {question.what} ({question.why}) Answer yes or no.")
        return Followed(lines, fresh[-1].position + 1 if fresh else after, _status(row))

    async def answer(self, id: str, text: str) -> None:
        from workhand.cli.commands.approve import give, understood
        from workhand.cli.session.wiring import lives

        async with self._store() as store:
            row = await self._row(store, id)
            question = waiting(Log.of(await store.read(row.id)))
            if question is None:
                await store.post(row.id, UserSaid(text))
            elif (given := understood(text, question)) is None:
                raise ConfigError(f"{text!r} is no answer to {question.what!r}; answer yes or no.")
            else:
                await give(self._settings, store, row.id, question, given)
        if not (row.status == "running" and lives(row.owner)):
            await self._carry_on(row.id)

    async def result(self, id: str) -> tuple[str, tuple[Delivered, ...]]:
        from workhand.cli.commands.work import delivered

        async with self._store() as store:
            row = await self._row(store, id)
            log = Log.of(await store.read(row.id))
        if log.index(SessionEnded) < log.index(UserSaid):
            raise ConfigError(f"Session {row.id} has not ended; follow it until its status is 'ended'.")
        answers = (event.calls[0] for event in log.newest_first() if isinstance(event, ModelAnswered) and event.calls)
        said = next((stated(call).get("text") for call in answers if call.tool == "message_result"), None)
        text = str(said or words.line(log.events[log.index(SessionEnded)]))
        found = []
        for path in delivered(log, places.find(self._settings, row.id)):
            if path.stat().st_size <= FILE_BYTES_MAX:
                kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
                found.append(Delivered(path.name, kind, await anyio.Path(path).read_bytes()))
        return text, tuple(found)

    @asynccontextmanager
    async def _store(self) -> AsyncIterator[SqliteStore]:
        from workhand.cli.session import wiring

        async with wiring.open_store(self._settings) as store:
            yield store

    @staticmethod
    async def _row(store: SqliteStore, id: str) -> SessionRow:
        from workhand.cli.session import wiring

        return await wiring.resolve(store, id)

    @staticmethod
    async def _carry_on(session: str) -> None:
        """Let a process of its own carry a session on: it goes on when whoever asked is gone."""
        command = [sys.executable, "-m", "workhand", "resume", session, "--json"]
        devnull = os.open(os.devnull, os.O_RDWR)
        try:
            await anyio.open_process(command, stdin=devnull, stdout=devnull, stderr=devnull, start_new_session=True)
        finally:
            os.close(devnull)


def _status(row: SessionRow) -> Literal["working", "waiting", "ended"]:
    match row.status:
        case "ended":
            return "ended"
        case "waiting":
            return "waiting"
    return "working"
