"""A browser as the agent has it: what it can be asked, what comes back, and what an act would mean.

A page is read as lines, one for each thing that matters, and an act names a thing by the reference in its line.
What an act means is judged by what the page calls the thing: nobody can know what a page does with a click.  So the
judgement is for the questions that a person is asked, and it errs towards asking.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

Form: TypeAlias = Literal["snapshot", "markdown", "text", "picture"]
Intent: TypeAlias = Literal["look", "input", "submit", "pay", "post"]
Action: TypeAlias = Literal[
    "click", "type", "press", "select", "check", "uncheck", "hover", "scroll", "upload",
    "back", "forward", "reload", "wait", "tab", "close", "dialog",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Node:
    """One thing on a page."""

    role: str
    name: str = ""
    value: str = ""
    states: tuple[str, ...] = ()  # "checked", "level=1"
    ref: str = ""  # none: nothing can be done with it
    url: str = ""


@dataclass(frozen=True, slots=True)
class File:
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Act:
    action: Action
    ref: str = ""
    text: str = ""
    files: tuple[File, ...] = ()  # to upload


@dataclass(frozen=True, slots=True)
class Seen:
    """A page as it is after something was done: what to show of it, and all of it."""

    url: str
    title: str
    shown: str
    whole: str
    notes: tuple[str, ...] = ()  # what happened besides, a sentence each
    files: tuple[File, ...] = ()  # that were downloaded
    picture: bytes = b""


class Browser(Protocol):
    """One browser of one user.  What the model can repair comes back as a sentence.

    ``open`` raises ``SandboxError`` when no browser can be started.  One that ended is started anew by it.
    """

    async def open(self, url: str, *, tab: int = 0) -> Seen | str:
        """Go to an address in a tab, by default the current one; a number that is not there yet opens one more."""
        ...

    async def view(self, form: Form, find: str = "") -> Seen | str:
        """Show the current tab, or only what has some words in it."""
        ...

    async def act(self, act: Act) -> Seen | str:
        """Do something on the current tab; what is shown is what changed by it, where that is less than the whole."""
        ...

    def node(self, ref: str) -> Node | None:
        """Give what a reference stands for on the current tab as it was last shown."""
        ...

    def address(self) -> str:
        """Give the address of the current tab; nothing where no page is open."""
        ...

    async def close(self) -> None:
        """End it; what it keeps for its user stays."""
        ...


LOOKS = frozenset({"hover", "scroll", "back", "forward", "wait", "tab", "close"})
INPUTS = frozenset({"type", "select", "check", "uncheck"})
FIELDS = frozenset(
    {"textbox", "searchbox", "combobox", "checkbox", "radio", "option", "slider", "spinbutton", "switch"}
)
QUIET = frozenset({"link", "tab", "menuitem", "treeitem", "heading", "img", "row", "cell"})  # what a click only opens
PAYS = re.compile(
    r"\b(pay|buy|purchase|order|checkout|check out|subscribe|donate|book now|bid|place order|add funds|upgrade"
    r"|kaufen|bezahlen|bestellen|payer|acheter|commander|pagar|comprar)\b",
    re.IGNORECASE,
)
POSTS = re.compile(
    r"\b(post|publish|share|tweet|reply|comment|send|upload|invite|veröffentlichen|senden|publier|envoyer|enviar)\b",
    re.IGNORECASE,
)
SUBMITS = re.compile(
    r"\b(submit|save|confirm|delete|remove|sign|log|register|accept|agree|apply|cancel|unsubscribe|transfer)\b",
    re.IGNORECASE,
)
OPENS = re.compile(
    r"^(search|find|go|filter|sort|next|previous|back|show|more|load|menu|open|close|expand|collapse|see|view|details"
    r"|read|refresh|dismiss|skip)\b",
    re.IGNORECASE,
)


def intent(act: Act, node: Node | None) -> Intent:
    """Say what an act on a thing would mean; ``node`` is what its reference stands for, if that is known.

    A click is taken for a submission unless the thing is one that a click only opens or fills in.
    """
    if act.action == "upload":
        return "post"
    if act.action in LOOKS:
        return "look"
    if act.action in INPUTS:
        return "input"
    if act.action == "dialog":
        return "look" if act.text == "dismiss" else "submit"
    if act.action == "press" and act.text not in ("Enter", "NumpadEnter", "Space", " "):
        return "input"
    if act.action == "reload" or node is None:
        return "submit"  # what was sent may be sent again; and what is not known may do anything
    return _of_click(act, node)


def _of_click(act: Act, node: Node) -> Intent:
    if PAYS.search(node.name):
        return "pay"
    if POSTS.search(node.name):
        return "post"
    if act.action == "press":
        return "submit"
    if node.role in FIELDS:
        return "input"
    opens = node.role in QUIET or any(state.startswith("expanded") for state in node.states) or OPENS.search(node.name)
    return "look" if opens and not SUBMITS.search(node.name) else "submit"
