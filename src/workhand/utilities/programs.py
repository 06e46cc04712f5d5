"""Run the programs of the machine: found or missed in one sentence, bounded in time and output."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import tempfile

from .budget import OverBudget, Unreadable

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from typing import IO

COMPLAINT_BYTES = 4_000
REASON_CHARS = 200


def need(*names: str, purpose: str) -> str:
    """Give the path of the first of these programs that is here."""
    for name in names:
        path = shutil.which(name)
        if path:
            return path
    raise Unreadable(f"There is no {' or '.join(names)} in this machine, and {purpose} needs it.")


def run(argv: list[str], *, time_s: float, output_bytes_max: int) -> bytes:
    """Give what a program prints; no file that it writes may be larger than the limit either."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (output_bytes_max, output_bytes_max))

    name = os.path.basename(argv[0])
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as complained:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=complained,
            start_new_session=True,
            preexec_fn=limit,  # noqa: PLW1509 - there are no threads here
        )
        try:
            status = process.wait(time_s)
        except subprocess.TimeoutExpired as error:
            raise OverBudget(f"{name} had not ended after {time_s:g} s, so it was stopped.") from error
        finally:  # also where the reading is out of time itself
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if status == -signal.SIGXFSZ:
            raise OverBudget(f"{name} wrote more than {output_bytes_max >> 20:,} MB, so it was stopped.")
        printed.seek(0)
        if status == 0:
            return printed.read()
        raise Unreadable(f"{name} failed: {_reason(complained, status)}")


def _reason(complained: IO[bytes], status: int) -> str:
    """Give the last line of what a program complained about."""
    complained.seek(-min(complained.seek(0, os.SEEK_END), COMPLAINT_BYTES), os.SEEK_END)
    lines = [line.strip() for line in complained.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][:REASON_CHARS] if lines else f"it ended with status {status}."
