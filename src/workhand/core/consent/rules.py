"""The rules that say what needs a yes, and the answers that people gave.

All that a rule states must hold of one part of an action: of one simple command, one written file or one
request.  What a rule does not state it does not ask for.  Rules are tried in order, and the first that holds
decides about that part; of several parts the strictest verdict counts.

A command is written as its words: ``git push --force|-f !--dry-run``.  The first is the program.  Those that begin
with a dash are options, which must all be there, wherever they stand (``-f`` is also found in ``-rf``, ``--force*`` in
``--force-with-lease``); with ``!`` before it an option must not be there.  The others must follow in that order, with
anything between, but what a program with sub-commands is told to do must come first: ``git commit -m push`` is no
``git push``.  ``|`` parts alternatives and ``*`` stands for any text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["allow", "ask", "deny"]


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    verdict: Verdict
    tools: tuple[str, ...] = ()  # "shell_*"
    arguments: tuple[tuple[str, str], ...] = ()  # of the call: a name, and a regular expression found in its value
    commands: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()  # that are written or removed, as globs over the whole path
    outside: bool = False  # a path outside of the workspace and the places for temporary files
    hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    unnamed: bool = False  # a host that the session's network does not name
    amount_above: float | None = None  # of money, where the action names one
    opaque: bool = False  # a command whose effect cannot be read from it
    irreversible: bool = False  # asked for every time, whatever was answered before
    why: str = ""  # a sentence for the person who is asked


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person said to a question of a rule about a subject."""

    rule: str
    subject: str
    scope: Literal["now", "once", "session", "always"]  # now: until the action that waits for it is over
    allowed: bool = True
