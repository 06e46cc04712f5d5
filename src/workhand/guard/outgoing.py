"""Name the secrets in what leaves by other doors than the network: messages, delivered files, exports, logs.

A secret that is kept has only its placeholder inside, so that none of these can hold its value, unless a person pasted
it into the workspace or the task.  Nothing is held back here, since what leaves so goes to the person: they are told.
"""

from __future__ import annotations

from functools import partial

import anyio
import anyio.to_process

from workhand.guard.gatekeeper import INLINE_BYTES_MAX, SCAN_S
from workhand.guard.scan import TOO_MUCH, Needle, findings
from workhand.guard.secrets import Held

SEARCHED_BYTES_MAX = 32 << 20


async def found(content: bytes, held: tuple[Held, ...], bytes_max: int = SEARCHED_BYTES_MAX) -> tuple[str, ...]:
    """Name the secrets that are in a content, in whatever way they are written, and the kinds of credentials.

    ``TOO_MUCH`` is among the names where not all of it could be searched.
    """
    cut = (TOO_MUCH,) if len(content) > bytes_max else ()
    search = partial(names, content[:bytes_max], tuple(Needle(each.secret.name, each.value) for each in held))
    if len(content) <= INLINE_BYTES_MAX:
        return tuple(dict.fromkeys((*search(), *cut)))
    with anyio.move_on_after(SCAN_S):
        return tuple(dict.fromkeys((*await anyio.to_process.run_sync(search, cancellable=True), *cut)))
    return (TOO_MUCH,)


def names(content: bytes, needles: tuple[Needle, ...]) -> tuple[str, ...]:
    """Name what is found in a content, each once, in the order in which it was found."""
    return tuple(dict.fromkeys(each.name for each in findings([("content", content)], needles)))
