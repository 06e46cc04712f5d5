"""The ingestion gate: in what form a result enters the context.

Every original is kept whole; what enters is either all of it or a preview with
a path.  Deciding this *before* a result enters costs no cache at all, which is
why it is the main lever on the size of a context.  The rule is a cap in tokens;
a rule by expected cost can replace ``admits`` without touching its callers.
"""

from __future__ import annotations

from workhand.core.policy import Policy

BYTES_PER_TOKEN = 4.0  # before the first answer calibrates it; English text and code are near 4
HEAD_SHARE = 0.65
LINE_CHARS_MAX = 400


def admits(text: str, *, ok: bool, policy: Policy) -> bool:
    """Say whether a result enters in full.  Errors get a wider cap: they stay, and they teach."""
    cap = policy.observation_tokens_max if ok else policy.error_tokens_max
    return len(text.encode()) <= cap * BYTES_PER_TOKEN


def preview(text: str, path: str, policy: Policy) -> str:
    """Show the head and the tail of a result, what is left out, and where the whole is."""
    budget = int(policy.observation_tokens_max * BYTES_PER_TOKEN / 2)
    lines = text.splitlines()
    head = _take(lines, int(budget * HEAD_SHARE))
    tail = _take(lines[len(head) :][::-1], budget - int(budget * HEAD_SHARE))[::-1]
    left_out = len(lines) - len(head) - len(tail)
    size = len(text.encode())
    note = f"[{left_out:,} of {len(lines):,} lines left out here; all {size:,} bytes are in {path}]"
    return "\n".join((*head, note, *tail))


def _take(lines: list[str], bytes_max: int) -> list[str]:
    """Take whole lines up to a number of bytes; a long line is cut, and the cut is marked."""
    taken: list[str] = []
    line_chars_max = min(LINE_CHARS_MAX, bytes_max // 4)
    room = bytes_max
    for line in lines:
        shown = line if len(line) <= line_chars_max else line[:line_chars_max] + " […]"
        room -= len(shown.encode()) + 1
        if room < 0:
            break
        taken.append(shown)
    return taken
