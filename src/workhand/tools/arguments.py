"""Read the arguments of a call into the value its function takes.

Strict, as the schemas that the model sees: no unknown names, no coercion.
What cannot be read becomes one sentence for the model.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from workhand.core.events import ToolCall
from workhand.tools import file, message, shell

if TYPE_CHECKING:
    from pydantic import TypeAdapter

KINDS: Final[dict[str, type]] = {
    "message_info": message.MessageInfo,
    "message_ask": message.MessageAsk,
    "message_result": message.MessageResult,
    "file_read": file.FileRead,
    "file_write": file.FileWrite,
    "file_edit": file.FileEdit,
    "file_find": file.FileFind,
    "shell_run": shell.ShellRun,
    "shell_view": shell.ShellView,
    "shell_input": shell.ShellInput,
}


def read_arguments(call: ToolCall) -> object:
    """Give the argument value of a call; a string says why it cannot be read."""
    from pydantic import ValidationError

    try:
        return _adapter(KINDS[call.tool]).validate_json(call.arguments, strict=True)
    except ValidationError as error:
        reasons = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg'].lower()}" for each in error.errors()[:5]
        )
        return f"The arguments of {call.tool} cannot be read: {reasons}."


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, TypeAdapter, with_config

    return TypeAdapter(with_config(ConfigDict(extra="forbid"))(kind))
