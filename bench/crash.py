"""Kill a process at work, again and again, and audit what it had promised.

A child process carries several sessions at once, through the real runtime, the
real store and real sandboxes; only the model is a script.  Whatever became
durable it acknowledges in a file: the digest of the entry, and the digest of the
prompt's body as it was at that entry.  The parent kills the child at random
moments and starts the next one.  Now and then it freezes the child instead,
lets a second one take the sessions over, and thaws the first: it must be
refused everywhere.  When enough kills were made the sessions are carried to
their ends, and then all promises are compared with what there is.

The effects that tools have are lines appended to a file of each session.

    python bench/crash.py [--kills 200] [--sessions 6] [--seed 1] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path

import anyio

from workhand.agents import executor
from workhand.cli.session import place as places
from workhand.cli.session import wiring
from workhand.cli.settings import Settings
from workhand.core import canonical
from workhand.core.events import ModelAnswered, SessionEnded, ToolReturned, ToolStarted, UserSaid
from workhand.core.log import Entry, Log
from workhand.core.policy import Guard, Isolation
from workhand.core.ports import Capabilities, Delta, Sandbox
from workhand.core.render import render
from workhand.errors import Conflict, WorkhandError
from workhand.runtime.wake import Runtime
from workhand.sandbox.probe import probe
from workhand.sandbox.spec import MachineSpec
from workhand.sandbox.tiers import open_machine
from workhand.store.codec import encode_line
from workhand.store.sqlite import SqliteStore
from workhand.tools.folder import Folder
from workhand.tools.toolbox import SandboxToolbox

STEPS = 20  # of work in a session
WINDOW_TOKENS = 8_192  # small, so that sessions are compacted as they go
WORK_S_MAX = 0.8  # between a child's first claim and its end
KILLS_PER_FREEZE = 8
TAKEOVER_S = 5.0  # a frozen child may hold the database's lock: then its successor has to wait until it is thawed
END_S = 60.0
POLL_S = 0.005
EFFECTS = "effects.log"


@dataclass(frozen=True, slots=True)
class Report:
    kills: int
    freezes: int
    refused: int  # appends of thawed children, one for each session they had
    sessions: int
    events_acknowledged: int
    lost: int  # acknowledged entries that are not in the log, or differ
    doubled: int  # effects that happened more than once
    unannounced: int  # effects whose start is not in the log
    missing: int  # effects that did not happen although the log says that they did
    unknown_outcome: int  # calls of which the log says that it does not know
    prefix_mismatches: int  # prompts that are not rendered to the same bytes again
    processes_left: int
    sandboxes: str
    seconds: float

    @property
    def good(self) -> bool:
        if self.refused < self.freezes:
            return False
        broken = (self.lost, self.doubled, self.unannounced, self.missing, self.prefix_mismatches, self.processes_left)
        return not any(broken)


JSON_FIELDS = ("kills", "events_acknowledged", "lost", "doubled", "unknown_outcome", "prefix_mismatches")


@dataclass(frozen=True, slots=True)
class Orders:
    """What a child is to do."""

    home: str
    number: int
    isolations: tuple[Isolation, ...]  # of the machine, for each session at work
    drain: bool = False  # end what there is, and begin nothing more

    @property
    def acknowledgements(self) -> Path:
        return Path(self.home, f"child-{self.number:04}.jsonl")

    @property
    def replaced(self) -> Path:
        """A file that says that another child has taken over."""
        return self.acknowledgements.with_suffix(".replaced")

    def acknowledged(self) -> Iterator[dict[str, canonical.Json]]:
        """Give the lines that the child has written whole."""
        if self.acknowledgements.exists():
            yield from map(json.loads, self.acknowledgements.read_bytes().split(b"\n")[:-1])


# -- the parent ------------------------------------------------------------------------


class Child:
    """A process at work."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.errors = orders.acknowledgements.with_suffix(".err")
        command = [sys.executable, __file__, "--child", json.dumps(asdict(orders))]
        with self.errors.open("wb") as stderr:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=stderr)

    def claims(self, count: int, *, within_s: float = END_S) -> None:
        """Wait until the child has claimed so many sessions at once, or the time is up."""
        due = time.monotonic() + within_s
        while len({line["claimed"] for line in self.orders.acknowledged() if "claimed" in line}) < count:
            if self.process.poll() is not None:
                raise self.failed(f"ended with {self.process.returncode} by itself")
            if time.monotonic() > due:
                return
            time.sleep(POLL_S)

    def send(self, number: signal.Signals) -> None:
        if self.process.poll() is not None:
            raise self.failed(f"ended with {self.process.returncode} before {number.name}")
        self.process.send_signal(number)

    def ends(self) -> None:
        """Wait until the child has ended of itself, as it should."""
        try:
            code = self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            raise self.failed(f"did not end within {END_S:g} s") from None
        if code:
            raise self.failed(f"ended with {code}")

    def failed(self, how: str) -> WorkhandError:
        words = self.errors.read_text(errors="replace").strip()
        return WorkhandError(f"Child {self.orders.number} {how}; it said: {words or 'nothing'}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def crash(home: Path, *, kills: int, sessions: int, seed: int, say: Callable[[str], None]) -> Report:
    """Make so many kills while so many sessions work, then audit what is in ``home``."""
    began = time.monotonic()
    chance = random.Random(seed)
    chosen = isolations(sessions)
    children: list[Child] = []

    def start(*, drain: bool = False) -> Child:
        children.append(Child(Orders(str(home), len(children), chosen, drain)))
        return children[-1]

    freezes = refused = 0
    try:
        child = start()
        for made in range(1, kills + 1):
            work_a_while(child, chance)
            if made % KILLS_PER_FREEZE == 0:
                frozen, child = child, take_over(child, start, sessions)
                refused += sum("refused" in line for line in frozen.orders.acknowledged())
                freezes += 1
                work_a_while(child, chance)
            child.send(signal.SIGKILL)
            child.process.wait()
            say(f"\r{made} of {kills} kills, {freezes} freezes, {time.monotonic() - began:.0f} s ")
            child = start(drain=made == kills)
        child.ends()
    finally:
        for each in children:
            each.kill()
    say("\n")
    acks = [line for each in children for line in each.orders.acknowledged()]
    found = anyio.run(audit, home, [line for line in acks if "position" in line])
    return Report(
        kills=kills,
        freezes=freezes,
        refused=refused,
        processes_left=processes_left(home),
        sandboxes=", ".join(f"{count} {kind}" for kind, count in sorted(Counter(chosen).items())),
        seconds=round(time.monotonic() - began, 1),
        **found,
    )


def work_a_while(child: Child, chance: random.Random) -> None:
    """Let a child work for a moment of any length, from its first claim on."""
    child.claims(1)
    time.sleep(chance.uniform(0, WORK_S_MAX))


def take_over(frozen: Child, start: Callable[[], Child], sessions: int) -> Child:
    """Freeze a child, let another take its sessions, thaw it, and see it end."""
    frozen.send(signal.SIGSTOP)
    successor = start()
    successor.claims(sessions, within_s=TAKEOVER_S)
    frozen.orders.replaced.touch()
    frozen.send(signal.SIGCONT)
    frozen.ends()
    return successor


def isolations(sessions: int) -> tuple[Isolation, ...]:
    """Choose bubblewrap for one session in six, where there is any, and else what is fast to open."""
    some: Isolation = "namespace" if isinstance(anyio.run(probe, "bubblewrap"), Capabilities) else "none"
    return tuple(some if number % 6 == 0 else "none" for number in range(sessions))


def processes_left(home: Path) -> int:
    """Count the processes that still sit in a workspace, once those that are dying had the time to."""
    places_left = {(found.st_dev, found.st_ino) for found in map(os.stat, home.glob("sessions/*/workspace"))}
    due = time.monotonic() + END_S / 6
    while (count := sum(where in places_left for where in directories())) and time.monotonic() < due:
        time.sleep(POLL_S)
    return count


def directories() -> Iterator[tuple[int, int]]:
    """Give the current directory of each process that we may look at."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found = (process / "cwd").stat()
            yield found.st_dev, found.st_ino


# -- the audit -------------------------------------------------------------------------


async def audit(home: Path, acks: list[dict[str, canonical.Json]]) -> dict[str, int]:
    """Compare what was acknowledged, and what has happened, with the logs."""
    found: Counter[str] = Counter(events_acknowledged=len(acks))
    async with wiring.open_store(Settings(home=home)) as store:
        if problems := await store.check():
            raise WorkhandError(f"The store is damaged: {'; '.join(problems)}")
        rows = await store.sessions()
        logs = {row.id: await store.read(row.id) for row in rows}
    if unended := [row.id for row in rows if row.status != "ended"]:
        raise WorkhandError(f"The sessions {unended!r} have not ended.")
    found["sessions"] = len(logs)
    entries: dict[tuple[canonical.Json, canonical.Json], tuple[str, str]] = {}
    for session, record in logs.items():
        log = Log()
        for entry in record:
            log = log.then(entry.event, entry.at)
            entries[session, entry.position] = fingerprints(entry, log)
        found.update(effects(record, home / "sessions" / session / "workspace" / EFFECTS))
    for ack in acks:
        entry_digest, prompt_digest = entries.get((ack["session"], ack["position"]), ("", ""))
        found["lost"] += entry_digest != ack["entry"]
        found["prefix_mismatches"] += prompt_digest != ack["prompt"]
    counted = {each.name for each in fields(Report) if each.type == "int"}
    return {name: found[name] for name in counted - {"kills", "freezes", "refused", "processes_left"}}


def effects(record: tuple[Entry, ...], file: Path) -> Counter[str]:
    """Compare what the tools of a session did with what its log says of them."""
    happened = Counter(file.read_text().split() if file.exists() else ())
    started = {entry.event.call_id for entry in record if isinstance(entry.event, ToolStarted)}
    returned = {entry.event.call_id: entry.event for entry in record if isinstance(entry.event, ToolReturned)}
    calls = [call for entry in record if isinstance(entry.event, ModelAnswered) for call in entry.event.calls]
    effect_of = {
        call.id: json.loads(call.arguments)["command"].split()[1] for call in calls if call.tool == "shell_run"
    }
    ran = {effect for id, effect in effect_of.items() if id in returned and returned[id].observation.ok}
    announced = {effect for id, effect in effect_of.items() if id in started}
    return Counter(
        doubled=sum(count - 1 for count in happened.values()),
        unannounced=len(set(happened) - announced),
        missing=len(ran - set(happened)),
        unknown_outcome=sum(each.how == "unknown" for each in returned.values()),
    )


def fingerprints(entry: Entry, log: Log) -> tuple[str, str]:
    """Give the digest of an entry and that of the prompt that is rendered up to it."""
    body = render(log, log.policy).body
    return canonical.digest(encode_line(entry)), canonical.digest(b"\n".join(body))


# -- the child -------------------------------------------------------------------------


async def work(orders: Orders) -> None:
    """Carry sessions on, each to its end and then another, until killed or refused."""
    settings = Settings(home=Path(orders.home))
    out = os.open(orders.acknowledgements, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def tell(line: dict[str, canonical.Json]) -> None:
        os.write(out, canonical.encode(line) + b"\n")

    async with wiring.open_store(settings) as store, anyio.create_task_group() as group:
        for number in range(len(orders.isolations)):
            group.start_soon(lane, store, settings, orders, number, tell)


async def lane(
    store: SqliteStore,
    settings: Settings,
    orders: Orders,
    number: int,
    tell: Callable[[dict[str, canonical.Json]], None],
) -> None:
    """Carry on the sessions of one number, one after the other."""
    while not orders.replaced.exists():
        try:
            session = await next_session(store, settings, orders, number)
            if session is None:
                return
            await carry_on(store, settings, number, session, tell)
        except Conflict:
            tell({"refused": number})


async def next_session(store: SqliteStore, settings: Settings, orders: Orders, number: int) -> str | None:
    """Give the session of this number that has not ended, or begin one unless there shall be no more."""
    mine = sorted((row.id, row.status) for row in await store.sessions() if row.id.startswith(f"{number:02}-"))
    if mine and mine[-1][1] != "ended":
        return mine[-1][0]
    if orders.drain:
        return None
    session = f"{number:02}-{len(mine):04}"
    place = places.make(settings, session, workspace=None)
    script = place.directory / "script.jsonl"
    script.write_text("".join(json.dumps(line) + "\n" for line in script_lines()))
    policy = executor.policy(f"script:{script}", seed=session, window_tokens=WINDOW_TOKENS)
    policy = replace(policy, guard=Guard(orders.isolations[number]))
    await wiring.start(store, session, policy, UserSaid("Do some things, one after the other."))
    return session


async def carry_on(
    store: SqliteStore,
    settings: Settings,
    number: int,
    session: str,
    tell: Callable[[dict[str, canonical.Json]], None],
) -> None:
    owner = wiring.this_process()
    await store.claim(session, owner=owner)  # from here on nobody else writes what we have not read
    tell({"claimed": number})
    log = Log.of(await store.read(session))

    def acknowledge(happened: Entry | Delta) -> None:
        nonlocal log
        if isinstance(happened, Entry):
            if happened.position != log.head:
                raise Conflict(f"Session {session!r} was written to by another after it was read; read it again.")
            log = log.then(happened.event, happened.at)
            entry, prompt = fingerprints(happened, log)
            tell({"session": session, "position": happened.position, "entry": entry, "prompt": prompt})

    place = places.find(settings, session)
    isolation = log.policy.guard.isolation
    folder = Folder(place.kept(isolation))
    folder.make()
    toolbox = SandboxToolbox(log.policy, partial(machine_of, place, session, isolation), keep_in_workspace, folder)
    try:
        async with wiring.make_model(settings, log.policy.model) as model:
            runtime = Runtime(store, store, model, toolbox, wiring.SystemClock(), acknowledge)
            log = await runtime.wake(session, owner=owner)
    finally:
        await toolbox.aclose()
    if log.index(SessionEnded) < 0:
        raise WorkhandError(f"Session {session!r} stopped before its end: {log.entries[-1].event!r}")


async def machine_of(place: places.Place, session: str, isolation: Isolation) -> Sandbox:
    """Open a machine even if a frozen process holds one over the same workspace: the log alone must settle that."""
    kept = place.kept(isolation)
    return await open_machine(
        isolation, MachineSpec(session=session, workspace=place.workspace, owned=place.owned, kept=kept)
    )


async def keep_in_workspace(path: str, content: bytes) -> None:
    """Deliver a file to where it is already."""


def script_lines() -> Iterator[dict[str, canonical.Json]]:
    """Give the answers of the model: effects that are counted, files, and output of some size."""
    yield {"tool": "plan_update", "arguments": {"goal": "Do some things.", "phases": ["Do them"], "done": 0}}
    yield {"tool": "message_info", "arguments": {"text": "I begin."}}
    for step in range(STEPS):
        effect = f"echo {step} >> {EFFECTS}"
        note = f"notes/{step - step % 5 + 2}.txt"
        yield [
            _call("shell_run", command=effect),
            _call("shell_run", command=f"{effect} && seq {step} 3000"),
            _call("file_write", path=note, content=f"Note {step}.\n" * 50),
            _call("file_read", path=note),
            _call("shell_run", command=f"{effect} && sleep 0.05 && echo done"),
        ][step % 5]
    for _ in range(STEPS):  # again if it was interrupted so often that its outcome is unknown
        yield _call("message_result", text="Done.")


def _call(tool: str, **arguments: canonical.Json) -> dict[str, canonical.Json]:
    return {"tool": tool, "arguments": arguments}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="to make (200)")
    parser.add_argument("--sessions", type=int, default=6, help="at work at any time (6)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments at which things happen (1)")
    parser.add_argument("--json", action="store_true", help="print one object of JSON")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        stated = json.loads(options.child)
        anyio.run(work, Orders(**stated | {"isolations": tuple(stated["isolations"])}))
        return
    say = partial(print, end="", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="workhand-crash-") as home:
        report = crash(Path(home), kills=options.kills, sessions=options.sessions, seed=options.seed, say=say)
    found = asdict(report)
    if options.json:
        print(json.dumps({name: found[name] for name in JSON_FIELDS}))
    else:
        print("\n".join(f"{name:22} {value}" for name, value in found.items()))
    sys.exit(not report.good)


if __name__ == "__main__":
    main()
