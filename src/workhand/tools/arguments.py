"""Read the arguments of a call into the value its function takes.

What the model was shown is what is checked: the tool's own JSON Schema, with its
bounds, no unknown names and no coercion.  What cannot be read becomes one
sentence for the model.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from workhand.core.events import ToolCall
from workhand.tools import browser, file, message, search, shell, view
from workhand.tools.specs import specs

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

REASONS_SHOWN = 3
VALUE_CHARS_SHOWN = 80

KINDS: Final[dict[str, type]] = {
    "message_info": message.MessageInfo,
    "message_ask": message.MessageAsk,
    "message_result": message.MessageResult,
    "file_read": file.FileRead,
    "file_write": file.FileWrite,
    "file_edit": file.FileEdit,
    "file_find": file.FileFind,
    "file_view": view.FileView,
    "shell_run": shell.ShellRun,
    "shell_view": shell.ShellView,
    "shell_input": shell.ShellInput,
    "browser_open": browser.BrowserOpen,
    "browser_view": browser.BrowserView,
    "browser_act": browser.BrowserAct,
    "search_web": search.SearchWeb,
}


def read_arguments(call: ToolCall) -> object:
    """Give the argument value of a call; a string says why it cannot be read."""
    try:
        stated: Any = json.loads(call.arguments)
    except json.JSONDecodeError as error:
        return f"The arguments of {call.tool} are not valid JSON ({error.msg})."
    faults = sorted(_validator(call.tool).iter_errors(stated), key=lambda fault: list(map(str, fault.absolute_path)))
    if faults:
        reasons = (f"{'.'.join(map(str, each.absolute_path)) or 'arguments'}: {_cut(each.message)}" for each in faults)
        return f"The arguments of {call.tool} cannot be used: {'; '.join(list(reasons)[:REASONS_SHOWN])}."
    return KINDS[call.tool](**{name: _frozen(value) for name, value in stated.items()})


def _frozen(value: Any) -> object:
    """Make a list a tuple, and a whole number that was written as 1.0 an integer."""
    if isinstance(value, list):
        return tuple(value)
    return int(value) if isinstance(value, float) else value


@cache
def _validator(tool: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(next(json.loads(spec.parameters) for spec in specs() if spec.name == tool))


def _cut(reason: str) -> str:
    """Shorten a reason that quotes a long value; its end says what is wrong."""
    return (
        reason
        if len(reason) <= 2 * VALUE_CHARS_SHOWN
        else f"{reason[:VALUE_CHARS_SHOWN]}…{reason[-VALUE_CHARS_SHOWN:]}"
    )
