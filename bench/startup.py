"""How long a person waits before anything happens: importing the package, and `workhand --help`.

    python bench/startup.py [--runs 15] [--json]

Prints the median wall time in milliseconds, and the bare interpreter's beside it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from statistics import median

COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "import workhand": [sys.executable, "-c", "import workhand"],
    "import workhand.core": [sys.executable, "-c", "import workhand.core.decide, workhand.core.render"],
    "workhand --help": [sys.executable, "-m", "workhand", "--help"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = {name: round(median(_timed(argv) for _ in range(options.runs)), 1) for name, argv in COMMANDS.items()}
    if options.json:
        print(json.dumps({"ms_p50": figures, "runs": options.runs}))
        return
    for name, milliseconds in figures.items():
        print(f"{name:<22} {milliseconds:>7.1f} ms")


def _timed(argv: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1000


if __name__ == "__main__":
    main()
