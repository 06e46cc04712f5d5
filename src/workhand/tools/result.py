"""What a tool's function gives back, before the ingestion gate."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    head: str  # one line about what happened, always shown in full
    compact: str  # what to call it once it is compacted: the call in a few words
    original: bytes = b""  # the untouched content, which the gate may replace by a preview
    ok: bool = True
    admit: bool = False  # the gate lets it in whole: it is read back, or bounded by its own limit
