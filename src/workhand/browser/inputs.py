"""What a person does with the picture of a page, as the browser takes it: mouse, wheel, keys and text.

It comes from a page in the person's own browser, but as JSON over a socket: so each value is looked at, and what is not
as it should be is left out without a word.  Places are fractions of the picture, since that may be drawn in any size.
What is typed is passed on and kept nowhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

MOUSE = {"down": "mousePressed", "up": "mouseReleased", "move": "mouseMoved"}
BUTTONS = ("none", "left", "middle", "right", "back", "forward")
KEY_CHARS_MAX = 32
TEXT_CHARS_MAX = 50_000
WHEEL_PX_MAX = 10_000
ALT, CONTROL, META = 1, 2, 4
TYPED = {"Enter": "\r", "Tab": ""}  # what a key with a name types

Said: TypeAlias = Mapping[str, object]
Size: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the DevTools protocol, to the page that is shown."""

    method: str
    params: dict[str, object]


def command(said: Said, size: Size) -> Command | None:
    """Make what a person did on a picture a command to the page of that size; nothing if it makes no sense."""
    match said.get("do"):
        case "mouse":
            return _mouse(said, size)
        case "wheel":
            return _wheel(said, size)
        case "key":
            return _key(said)
        case "text" if isinstance(text := said.get("text"), str) and 0 < len(text) <= TEXT_CHARS_MAX:
            return Command("Input.insertText", {"text": text})
    return None


def _mouse(said: Said, size: Size) -> Command | None:
    kind, button = MOUSE.get(str(said.get("how"))), said.get("button")
    if kind is None or button not in BUTTONS:
        return None
    return Command(
        "Input.dispatchMouseEvent",
        {
            "type": kind,
            **_place(said, size),
            "button": button,
            "buttons": int(_number(said, "buttons", 0, 31)),
            "clickCount": int(_number(said, "clicks", 0, 3)),
            "modifiers": _modifiers(said),
        },
    )


def _wheel(said: Said, size: Size) -> Command:
    turned = {f"delta{axis}": _number(said, f"d{axis.lower()}", -WHEEL_PX_MAX, WHEEL_PX_MAX) for axis in "XY"}
    place = _place(said, size)
    return Command("Input.dispatchMouseEvent", {"type": "mouseWheel", **place, **turned, "modifiers": _modifiers(said)})


def _key(said: Said) -> Command | None:
    key, code, how = said.get("key"), said.get("code"), said.get("how")
    if not (isinstance(key, str) and isinstance(code, str) and 0 < len(key) <= KEY_CHARS_MAX >= len(code)):
        return None
    number = int(_number(said, "number", 0, 255))
    params: dict[str, object] = {
        "key": key,
        "code": code,
        "modifiers": _modifiers(said),
        "windowsVirtualKeyCode": number,
        "nativeVirtualKeyCode": number,
        "location": int(_number(said, "location", 0, 3)),
    }
    if how != "down":
        return Command("Input.dispatchKeyEvent", params | {"type": "keyUp"}) if how == "up" else None
    text = TYPED.get(key, key if len(key) == 1 else "")
    commanding = _modifiers(said) & (CONTROL | META | ALT)
    if text and not commanding:
        return Command("Input.dispatchKeyEvent", params | {"type": "keyDown", "text": text, "unmodifiedText": text})
    return Command("Input.dispatchKeyEvent", params | {"type": "rawKeyDown"})


def _place(said: Said, size: Size) -> dict[str, object]:
    return {axis: round(_number(said, axis, 0, 1) * length, 2) for axis, length in zip("xy", size, strict=True)}


def _modifiers(said: Said) -> int:
    return int(_number(said, "modifiers", 0, 15))


def _number(said: Said, name: str, least: float, most: float) -> float:
    """Give a number within its bounds; what is none counts as 0."""
    value = said.get(name)
    if not isinstance(value, int | float) or (isinstance(value, float) and math.isnan(value)):
        return 0.0
    return float(min(max(value, least), most))  # in this order, as not every whole number fits a float
