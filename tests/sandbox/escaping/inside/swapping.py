"""Plant links to a directory outside in the workspace, and swap them with what belongs there, as fast as possible.

python3 swapping.py OUTSIDE (plant|swap)
"""

from __future__ import annotations

import ctypes
import os
import sys

PLACES = ("directory", "attachments", "file")
AT_FDCWD, RENAME_EXCHANGE = -100, 2
STOP = "stop"


def plant(outside: str) -> None:
    """Put links where things are looked for, and what belongs there aside."""
    for name in PLACES:
        if name == "file":
            write("file-aside")
        else:
            os.mkdir(f"{name}-aside")
            write(f"{name}-aside/file")
        os.symlink(os.path.join(outside, "file") if name == "file" else outside, name)


def write(path: str) -> None:
    with open(path, "w") as file:
        file.write("x")


def swap() -> None:
    exchange = ctypes.CDLL(None).renameat2
    pairs = [(name.encode(), name.encode() + b"-aside") for name in PLACES] + [(b".workhand", b"directory-aside")]
    os.write(1, b"swapping\n")
    write("begun")
    while not os.path.exists(STOP):
        for one, other in pairs:
            exchange(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE)


if __name__ == "__main__":
    if sys.argv[2] == "plant":
        plant(sys.argv[1])
    else:
        swap()
