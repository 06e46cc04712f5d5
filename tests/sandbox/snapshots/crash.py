"""Do one thing to a store, and die at the given event of all that it does to the file system.

    python crash.py DIRECTORY ACT EVENT

With event 0 nobody dies, and the number of events is printed.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from workhand.sandbox.snapshots.store import Store

DEADLY = ("open", "os.", "shutil.", "fcntl.", "subprocess.", "tempfile.")


def main() -> None:
    directory, act, dies_at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    store = Store(directory / "store")
    first, second = (directory / "ids").read_text().split()
    events = 0

    def count(event: str, _: object) -> None:
        nonlocal events
        if event.startswith(DEADLY):
            events += 1
            if events == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    do(store, act, directory, first, second)
    sys.stdout.write(f"{events}\n")


def do(store: Store, act: str, directory: Path, first: str, second: str) -> None:
    match act:
        case "take":
            store.take(directory / "workspace", second)
        case "restore":
            store.restore(directory / "workspace", first)
        case "squash":
            store.squash(second)
        case "collect":
            store.collect({second}, young_s=-1)
        case "fork":
            store.fork(second, directory / "fork", uid=300_705 if os.geteuid() == 0 else None)
        case "copy":
            store.fork(second, directory / "fork", overlay=False)
        case "archive":
            store.archive(second, directory / "archive")
            store.collect((), young_s=-1)
            store.unarchive(directory / "archive")


if __name__ == "__main__":
    main()
