"""What changed on a page between two snapshots, in lines.

A line that is not there any more begins with ``-``, one that is there now with ``+``, one of the same thing that reads
differently with ``*``; the line above an addition that was there before stands without a mark.  What only moved is not
told.  The time it takes grows with the lines and not with their product: a page decides how many there are.
"""

from __future__ import annotations

from collections import Counter

from workhand.browser.snapshot import Snapshot, written


def delta(before: Snapshot, after: Snapshot) -> tuple[str, ...]:
    """Give the lines that tell one snapshot from the other; none if they are alike."""
    known = {line.node.ref for line in before.lines if line.node.ref}
    present = {line.node.ref for line in after.lines if line.node.ref}
    old = Counter(written(line.node) for line in before.lines)
    told: list[str] = []
    above: list[int] = []  # the places of the lines that the line at hand is in
    shown: set[int] = set()
    for place, line in enumerate(after.lines):
        del above[line.depth :]
        text = written(line.node)
        if old[text]:
            old[text] -= 1
        else:
            if above and above[-1] not in shown:
                told.append(f"  {after.lines[above[-1]]}")
            told.append(f"{'*' if line.node.ref in known else '+'} {line}")
            shown.update((*above[-1:], place))
        above.append(place)
    return (*_gone(before, old, present), *told)


def _gone(before: Snapshot, left: Counter[str], present: set[str]) -> list[str]:
    """Give the lines that are there no more, but for those that only read differently."""
    gone = []
    for line in before.lines:
        text = written(line.node)
        if left[text]:
            left[text] -= 1
            if line.node.ref not in present or not line.node.ref:
                gone.append(f"- {line}")
    return gone


def shorter(changes: tuple[str, ...], whole: Snapshot) -> bool:
    """Say whether the changes are less to read than the page."""
    return sum(map(len, changes)) + len(changes) < len(str(whole))
