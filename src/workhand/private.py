"""A file of the person's own, such as their secrets, their answers, their servers, their data."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write(file: Path, content: bytes) -> None:
    """Put a file in place whole, for its owner only; whoever reads meanwhile has the earlier one.

    Raises ``OSError``.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, part = tempfile.mkstemp(dir=file.parent)  # which is its owner's only
    try:
        with os.fdopen(descriptor, "wb") as written:
            written.write(content)
            written.flush()
            os.fsync(descriptor)
        os.replace(part, file)
    except BaseException:
        os.unlink(part)
        raise
