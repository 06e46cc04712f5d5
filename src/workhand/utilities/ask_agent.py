"""``ask-agent``: the name under which a session will ask another; until there is such a thing, it says so.

The name is taken now, so that a model that tries it learns in one sentence to go on alone.
"""

from __future__ import annotations

import sys

HELP = """\
ask-agent is reserved: sessions cannot have child sessions yet, so do the work in this one.

Exit status: 69, always.
"""

UNAVAILABLE = 69  # as sysexits.h has it


def main(_: list[str]) -> int:
    sys.stderr.write("ask-agent: Sessions cannot have child sessions yet; do the work in this one.\n")
    return UNAVAILABLE
