"""Which tools are allowed now.

A mask never removes a tool: the tool list in the prompt stays as it is, byte
for byte, and the mask constrains what may be chosen ("mask, don't remove": Ji,
"Context Engineering for AI Agents: Lessons from Building Manus", 2025).
The three modes are those of function calling: ``auto`` may also answer with
text, ``required`` must call some tool, ``specified`` must call one of a subset.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Mask:
    mode: Literal["auto", "required", "specified"]
    tools: tuple[str, ...]  # the allowed names, sorted

    def allows(self, tool: str) -> bool:
        return tool in self.tools


def everything(names: Iterable[str]) -> Mask:
    """Require a call of any tool."""
    return Mask("required", tuple(sorted(names)))


def family(names: Iterable[str], *prefixes: str) -> Mask:
    """Require a call of a tool whose name starts with one of ``prefixes``."""
    return Mask("specified", tuple(sorted(name for name in names if name.startswith(prefixes))))


def others(names: Iterable[str], *prefixes: str) -> Mask:
    """Require a call of a tool whose name starts with none of ``prefixes``."""
    return Mask("specified", tuple(sorted(name for name in names if not name.startswith(prefixes))))
