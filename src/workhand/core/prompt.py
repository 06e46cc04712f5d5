"""What the model reads, before a provider's wire half gives it a wire form.

A body piece is the canonical JSON of one block, one of

    {"tools":[{"description":...,"name":...,"parameters":{...}},...]}
    {"role":"system","text":...}
    {"role":"user","text":...}                  the user, or a notice of the harness
    {"calls":[{"arguments":...,"id":...,"tool":...}],"opaque":...,"role":"assistant","text":...}
    {"call":ID,"ok":true,"role":"tool","text":...}

A ``user`` or ``tool`` block may also hold ``"media":[{"base64":...,"type":...}]``: images and PDF documents.  The core
names them by digest, ``"media":[{"blob":...,"type":...}]``, and the runtime puts the bytes there when it asks a model.

The first two are always there, in that order.  ``arguments`` is the text of a
JSON object; ``opaque`` is only there when a provider left something to echo.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PICTURE_BYTES = 6_400  # what one counts as beside text: the 1,600 tokens or so to which providers scale a picture down
_MEDIA = b'"media":[{"blob":"'  # in a text its quotes would be escaped
STANDS_FOR = re.compile(rb'"text":"\[summary\] This stands for what happened before, (\d+) answers')


def weight(piece: bytes) -> int:
    """Give the size of a piece in bytes of text that would take as many tokens."""
    return len(piece) + PICTURE_BYTES * piece.count(_MEDIA)


@dataclass(frozen=True, slots=True)
class Prompt:
    body: tuple[bytes, ...]  # grows only, except at a recorded reduction
    tail: str  # the plan, recited; after the last breakpoint, not kept; may be empty
    breakpoints: tuple[int, ...]  # a cache may end after body[i], for each i
    answer_tokens_max: int
    model: str = ""  # who is to read it: "provider:name"; empty where there is only one

    @property
    def size(self) -> int:
        """Bytes of the body and the tail, with what pictures count as."""
        return sum(map(weight, self.body)) + len(self.tail.encode())

    @property
    def answers(self) -> int:
        """Answers of the model that are in the body, or that a summary in it stands for."""
        shown = sum(piece.startswith(b'{"calls":') for piece in self.body)  # only answers have that key
        return shown + sum(int(match[1]) for piece in self.body[2:3] if (match := STANDS_FOR.search(piece)))
