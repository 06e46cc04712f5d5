"""Put something in the place of models that generated code imports and that its generator could not make.

Each is a ``dict`` with what a model has, so that operations which mention it can be called and their answers be read.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

HEAD = '"""Stands for what could not be generated: a plain dict."""\n\nfrom typing import Any, Self\n'
MODEL = """

class {name}(dict[str, Any]):
    @classmethod
    def from_dict(cls, src_dict: Any) -> Self:
        return cls(src_dict)

    def to_dict(self) -> dict[str, Any]:
        return dict(self)
"""


def add(root: Path) -> None:
    """Add each model that is imported below and is not there."""
    lacking: dict[Path, set[str]] = {}
    for file in sorted(root.rglob("*.py")):
        for target, names in _imported(file):
            if target.parent == root / "models" and not target.exists():
                lacking.setdefault(target, set()).update(names)
    for target, known in lacking.items():
        target.write_text(HEAD + "".join(MODEL.format(name=name) for name in sorted(known)), encoding="utf-8")


def _imported(file: Path) -> Iterator[tuple[Path, list[str]]]:
    """Give what a file imports from beside it: the other file, and the names."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level and node.module:
            target = file.parents[node.level - 1].joinpath(*node.module.split("."))
            yield target.parent / f"{target.name}.py", [each.name for each in node.names]
