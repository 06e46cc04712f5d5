"""Any order of calls: both stores against a model of a few lines."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from workhand.core.events import Event, Paused, UserSaid
from workhand.core.ports import Claim
from workhand.errors import Conflict
from workhand.store.memory import MemoryStore
from workhand.store.sqlite import SqliteStore

T = TypeVar("T")

EVENTS = st.lists(st.builds(UserSaid, st.text(max_size=5)) | st.just(Paused()), max_size=3).map(tuple)
CHOICE = st.integers(0, 2**31)


@dataclass
class Modelled:
    events: tuple[Event, ...] = ()
    inbox: tuple[Event, ...] = ()
    epoch: int = 0
    parent: str | None = None
    claims: list[Claim] = field(default_factory=list)


class StoreMachine(RuleBasedStateMachine):
    """Sessions are chosen by number, so that every rule can run whatever there is."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model: dict[str, Modelled] = {}
        self.made = 0

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def open(self) -> MemoryStore | SqliteStore:
        return MemoryStore()

    def teardown(self) -> None:
        self.runner.close()

    @initialize()
    def start(self) -> None:
        self.store = self.open()

    @rule()
    def create(self) -> None:
        self.call(self.store.create(self.new_id(), title="", at=0.0))
        self.model[f"s{self.made}"] = Modelled()

    @precondition(lambda self: self.model)
    @rule(choice=CHOICE)
    def claim(self, choice: int) -> None:
        id, session = self.choose(choice)
        claim = self.call(self.store.claim(id, owner="x"))
        session.epoch += 1
        session.claims.append(claim)
        assert claim == Claim(id, session.epoch)

    @precondition(lambda self: any(session.claims for session in self.model.values()))
    @rule(choice=CHOICE, which=CHOICE, ahead=st.sampled_from([0, 0, 0, -1, 1]), events=EVENTS)
    def append(self, choice: int, which: int, ahead: int, events: tuple[Event, ...]) -> None:
        session, claim = self.choose_claim(choice, which)
        call = self.store.append(claim, len(session.events) + ahead, events, at=0.0, status="running")
        if ahead or claim.epoch != session.epoch:
            with pytest.raises(Conflict):
                self.call(call)
        else:
            self.call(call)
            session.events += events

    @precondition(lambda self: self.model)
    @rule(choice=CHOICE, event=st.builds(UserSaid, st.text(max_size=5)))
    def post(self, choice: int, event: Event) -> None:
        id, session = self.choose(choice)
        self.call(self.store.post(id, event))
        session.inbox += (event,)

    @precondition(lambda self: any(session.claims for session in self.model.values()))
    @rule(choice=CHOICE, which=CHOICE)
    def take(self, choice: int, which: int) -> None:
        session, claim = self.choose_claim(choice, which)
        call = self.store.take(claim, len(session.events), at=0.0, status="running")
        if claim.epoch != session.epoch:
            with pytest.raises(Conflict):
                self.call(call)
        else:
            assert self.call(call) == session.inbox
            session.events += session.inbox
            session.inbox = ()

    @precondition(lambda self: self.model)
    @rule(choice=CHOICE, where=CHOICE)
    def fork(self, choice: int, where: int) -> None:
        parent, session = self.choose(choice)
        position = where % (len(session.events) + 1)
        self.call(self.store.fork(parent, position, self.new_id(), title="", at=0.0))
        self.model[f"s{self.made}"] = Modelled(session.events[:position], parent=parent)

    @precondition(lambda self: self.model)
    @rule(choice=CHOICE)
    def delete(self, choice: int) -> None:
        id, _ = self.choose(choice)
        if any(each.parent == id for each in self.model.values()):
            with pytest.raises(Conflict):
                self.call(self.store.delete(id))
        else:
            self.call(self.store.delete(id))
            del self.model[id]

    @invariant()
    def the_store_has_what_the_model_has(self) -> None:
        rows = self.call(self.store.sessions())
        assert [row.id for row in reversed(rows)] == list(self.model)
        for row in rows:
            session = self.model[row.id]
            assert (row.head, row.epoch, row.parent) == (len(session.events), session.epoch, session.parent)
            assert self.call(self.store.peek(row.id)) == session.inbox
            assert tuple(entry.event for entry in self.call(self.store.read(row.id))) == session.events

    def new_id(self) -> str:
        self.made += 1
        return f"s{self.made}"

    def choose(self, choice: int) -> tuple[str, Modelled]:
        return list(self.model.items())[choice % len(self.model)]

    def choose_claim(self, choice: int, which: int) -> tuple[Modelled, Claim]:
        claimed = [session for session in self.model.values() if session.claims]
        session = claimed[choice % len(claimed)]
        return session, session.claims[-1 - which % min(2, len(session.claims))]


class SqliteMachine(StoreMachine):
    """The same over SQLite, which may also be closed and opened at any time."""

    def open(self) -> SqliteStore:
        self.folder = tempfile.TemporaryDirectory()
        return SqliteStore(Path(self.folder.name) / "sessions.db")

    @rule()
    def reopen(self) -> None:
        assert isinstance(self.store, SqliteStore)
        self.call(self.store.aclose())
        self.store = SqliteStore(self.store.path)

    def teardown(self) -> None:
        assert isinstance(self.store, SqliteStore)
        assert self.call(self.store.check()) == ()
        self.call(self.store.aclose())
        self.folder.cleanup()
        super().teardown()


TestMemory = StoreMachine.TestCase
TestMemory.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSqlite = SqliteMachine.TestCase
TestSqlite.settings = settings(max_examples=20, stateful_step_count=40, deadline=None)
