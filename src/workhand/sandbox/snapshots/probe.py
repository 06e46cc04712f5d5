"""Find out whether layers can be stacked here, by stacking some.

A kernel's version says little: file systems differ, containers forbid, and an overlay that mounts may
still refuse to map an owner.
"""

from __future__ import annotations

from pathlib import Path

from workhand.errors import SandboxError
from workhand.sandbox.snapshots import layers, overlay
from workhand.sandbox.snapshots.manifest import Change, Node

UID = 364_999  # of a session that nothing runs as
FOLDER = {"": Node("directory", 0o755), "a": Node("directory", 0o755)}


def obstacle(staged: Path) -> str:
    """Stack two layers and write to them: what stands in the way, or nothing."""
    lower = Change({**FOLDER, "a/shown": Node("file", 0o600), "a/gone": Node("file", 0o600)}, ())
    upper = Change(FOLDER, ("a/gone",))
    target = staged / "target"
    try:
        for name, change in (("below", lower), ("above", upper)):
            layers.complete(staged / name, change, change.put, lambda _, target: target.touch(0o600))
        target.mkdir()
        trees = [staged / name / layers.LAYER / layers.TREE for name in ("above", "below")]
        overlay.mount(staged, trees, target, UID, trial=True)
    except SandboxError as error:
        return str(error)
    except OSError as error:
        return f"Overlays cannot be used here: {error}."
    return ""
