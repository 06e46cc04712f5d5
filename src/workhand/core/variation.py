"""Small structured variation in how observations are presented.

A model that sees one pattern repeated falls into it ("don't get few-shotted": Ji,
"Context Engineering for AI Agents: Lessons from Building Manus", 2025).
The wording is chosen by position, from a digest and never from a random
generator, so that it varies to the model and is identical on every replay.
"""

from __future__ import annotations

from hashlib import sha256

SUCCEEDED = ("{tool} returned:", "Result of {tool}:", "Output from {tool}:", "{tool} gave:")
FAILED = ("{tool} failed:", "Error from {tool}:", "{tool} did not succeed:")
PLANNED = ("Plan recorded.", "The plan is noted.", "Plan updated.")


def choose(templates: tuple[str, ...], seed: str, position: int) -> str:
    """Pick one of ``templates`` as a function of the session's seed and the position."""
    drawn = sha256(f"{seed}:{position}".encode()).digest()
    return templates[int.from_bytes(drawn[:4], "big") % len(templates)]
