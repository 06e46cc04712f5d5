"""Whatever happens to a session and to its folder: what the prompt names is there, byte for byte."""

from __future__ import annotations

import re
from dataclasses import replace

import anyio
from hypothesis import given
from hypothesis import strategies as st

from tests.properties.test_crashes import CRASHES, SMALL, World
from workhand.core.canonical import Json
from workhand.core.events import HistorySummarized, ModelAnswered, Rewound, ToolReturned
from workhand.core.log import Log
from workhand.core.policy import Window
from workhand.core.render import render
from workhand.core.transcript import transcript
from workhand.core.views import VIEWS, views_of
from workhand.testing.crash import CrashingStore
from workhand.testing.model import Say

NAMED = re.compile(r"\.workhand/(?:results|calls|history)/[\w.-]+\w")
ROOMY = replace(SMALL, window=Window(8_000, 8_000, 4_000))
LONG: Json = "long " * 120

CALLS = st.builds(
    Say,
    tool=st.sampled_from(["shell_run", "file_write", "file_write", "file_read", "message_info"]),
    arguments=st.integers(0, 9).map(lambda number: {"content": LONG, "number": number}),
)
LOSSES = st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=12).map(tuple)


@given(
    st.lists(CALLS, min_size=4, max_size=16), CRASHES, st.frozensets(st.integers(1, 12), max_size=2), LOSSES,
    st.none() | st.floats(0.1, 0.9),
)  # fmt: skip
def test_every_path_that_the_prompt_names_exists_with_the_right_bytes(
    calls: list[Say],
    crashes: tuple[tuple[int, bool], ...],
    kills: frozenset[int],
    losses: tuple[tuple[int, bool], ...],
    rewound: float | None,
) -> None:
    world = World(calls, kills, ROOMY)
    log = anyio.run(course, world, crashes, losses, rewound)
    files = world.toolbox.files
    named = {path for piece in render(log, log.policy).body for path in NAMED.findall(piece.decode())}
    expected = truth(log)
    assert named <= expected.keys()
    assert {path: files.get(path) for path in expected} == expected
    views = views_of(log)
    wanted = [view for view in VIEWS if views.changes[view] or view in files]
    assert {view: files.get(view) for view in wanted} == {view: views.text(view).encode() for view in wanted}


async def course(
    world: World, crashes: tuple[tuple[int, bool], ...], losses: tuple[tuple[int, bool], ...], rewound: float | None
) -> Log:
    """Run a session to its end while its process crashes and files of its folder are lost or changed."""
    await world.begin()
    for writes, unacknowledged in (*crashes, *[(1_000, False)] * (len(world.kills) + 1)):
        await world.wake(CrashingStore(world.store, writes, unacknowledged))
        lose(world.toolbox.files, losses)
    log = Log.of(await world.store.read("s"))
    if rewound is not None:
        claim = await world.store.claim("s", owner="test")
        back = (Rewound(max(2, int(rewound * log.head))),)
        await world.store.append(claim, log.head, back, at=0.0, status="runnable")
    while not await world.wake(world.store):
        lose(world.toolbox.files, losses)
    return Log.of(await world.store.read("s"))


def lose(files: dict[str, bytes], losses: tuple[tuple[int, bool], ...]) -> None:
    for number, gone in losses:
        paths = sorted(files)
        if paths and gone:
            del files[paths[number % len(paths)]]
        elif paths:
            files[paths[number % len(paths)]] += b" changed"


def truth(log: Log) -> dict[str, bytes]:
    """Say what belongs at every path that may be named, without looking at how it got there."""
    expected: dict[str, bytes] = {}
    since = 0
    for event in log.events:
        match event:
            case ModelAnswered(_, calls):
                expected |= {f".workhand/calls/{call.id}.json": call.arguments.encode() for call in calls}
            case ToolReturned(id, seen) if seen.path:
                expected[seen.path] = id.ljust(1_500, "x").encode()
            case HistorySummarized(until, _, path):
                gone = (entry for entry in log.entries if since <= entry.position < until)
                expected[path] = transcript(gone).encode()
                since = until
    compacted = {id for event in log.events for id in getattr(event, "arguments", ())}
    return {
        path: content
        for path, content in expected.items()
        if "/calls/" not in path or path.split("/")[-1].removesuffix(".json") in compacted
    }
