"""Measure snapshots of a workspace of 2,000 files and 100 MB.

    python -m bench.snapshots [--directory DIRECTORY] [--repeat N] [--json]

Overlays are measured only for root, and only where layers can be stacked.  Target: a fork as an overlay within
50 ms (median).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from workhand.sandbox.snapshots.store import Store, Taken

FILES, FILE_BYTES, FOLDERS = 2_000, 51_200, 50
FORK_UID = 300_900
SETTLED_S = 0.05  # what was written an instant ago is not in the index yet
TARGETS_MS = {"fork overlay": 50.0}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure snapshots.")
    parser.add_argument("--directory", type=Path, help="where to work; what matters is its file system")
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="workhand-bench-", dir=options.directory) as directory:
        figures = measure(Path(directory), options.repeat)
    if options.json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        target = f"   target p50 {TARGETS_MS[name]:g} ms" if name in TARGETS_MS else ""
        print(f"{name:24} p50 {figure['p50_ms']:8.1f} ms   p95 {figure['p95_ms']:8.1f} ms   n={figure['n']:g}{target}")


def measure(directory: Path, count: int) -> dict[str, dict[str, float]]:
    workspace, few = directory / "workspace", max(2, count // 4)
    fill(workspace)
    figures = {"take first": summary([first(workspace, directory / f"store-{number}") for number in range(few)])}
    store = Store(directory / "store")
    base = take(store, workspace, None)
    time.sleep(SETTLED_S)
    take(store, workspace, base)
    figures["take unchanged"] = repeat(count, lambda _: take(store, workspace, base))
    figures["take 1 file changed"] = repeat(
        count, lambda _: take(store, workspace, base), before=lambda number: change(workspace, number)
    )
    figures["restore 1 file"] = repeat(
        count, lambda _: store.restore(workspace, base), before=lambda number: change(workspace, number)
    )
    if os.geteuid() == 0:
        change(workspace, -1)
        second = take(store, workspace, base)
        figures |= overlays(store, second, directory, count)
    figures["fork copy"] = repeat(few, lambda number: store.fork(base, directory / f"copy-{number}", overlay=False))
    return figures


def overlays(store: Store, snapshot: str, directory: Path, count: int) -> dict[str, dict[str, float]]:
    """Measure forks that stand on two layers, and the first snapshot that is taken of one."""
    trial = directory / "overlay-trial"
    found = store.fork(snapshot, trial, uid=FORK_UID)
    if found.way != "overlay":
        print(f"No overlays: {found.why}")
        return {}
    targets = [directory / f"overlay-{number}" for number in range(count)]
    try:
        return {
            "fork overlay": repeat(count, lambda number: store.fork(snapshot, targets[number], uid=FORK_UID)),
            "take first of a fork": repeat(max(2, count // 4), lambda number: take(store, targets[number], snapshot)),
            "take next of a fork": repeat(max(2, count // 4), lambda number: take(store, targets[number], snapshot)),
        }
    finally:
        for fork in store.forks():
            store.discard(Path(fork.target))


def fill(workspace: Path) -> None:
    for number in range(FILES):
        place = workspace / f"folder-{number % FOLDERS}" / f"file-{number}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(os.urandom(FILE_BYTES))


def first(workspace: Path, place: Path) -> float:
    store = Store(place)
    started = time.perf_counter()
    take(store, workspace, None)
    duration = time.perf_counter() - started
    shutil.rmtree(place)
    return duration


def take(store: Store, workspace: Path, parent: str | None) -> str:
    taken = store.take(workspace, parent)
    assert isinstance(taken, Taken), taken
    return taken.id


def change(workspace: Path, number: int) -> None:
    (workspace / "folder-0" / "file-0").write_text(str(number))
    time.sleep(SETTLED_S)


def repeat(
    count: int, act: Callable[[int], object], *, before: Callable[[int], object] | None = None
) -> dict[str, float]:
    durations = []
    for number in range(count):
        if before is not None:
            before(number)
        started = time.perf_counter()
        act(number)
        durations.append(time.perf_counter() - started)
    return summary(durations)


def summary(durations: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(durations, n=20, method="inclusive")
    return {"p50_ms": 1_000 * statistics.median(durations), "p95_ms": 1_000 * cuts[-1], "n": len(durations)}


if __name__ == "__main__":
    main()
