"""What the model reads, before a provider's wire half gives it a wire form.

A body piece is the canonical JSON of one block, one of

    {"tools":[{"description":...,"name":...,"parameters":{...}},...]}
    {"role":"system","text":...}
    {"role":"user","text":...}                  the user, or a notice of the harness
    {"calls":[{"arguments":...,"id":...,"tool":...}],"opaque":...,"role":"assistant","text":...}
    {"call":ID,"ok":true,"role":"tool","text":...}

The first two are always there, in that order.  ``arguments`` is the text of a
JSON object; ``opaque`` is only there when a provider left something to echo.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prompt:
    body: tuple[bytes, ...]  # grows only, except at a recorded reduction
    tail: str  # the plan, recited; after the last breakpoint, not kept; may be empty
    breakpoints: tuple[int, ...]  # a cache may end after body[i], for each i
    answer_tokens_max: int

    @property
    def size(self) -> int:
        """Bytes of the body and the tail."""
        return sum(map(len, self.body)) + len(self.tail.encode())
