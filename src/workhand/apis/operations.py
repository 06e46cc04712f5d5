"""What can be called in a generated module, read from its code: what its generator made, not what it should have."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from workhand.apis.description import line

PATH_CHARS_MAX, SUMMARY_CHARS_MAX, TYPE_CHARS_MAX = 120, 120, 60


@dataclass(frozen=True, slots=True)
class Operation:
    module: str  # below ``api``: "pets.list_pets"
    method: str
    path: str
    parameters: tuple[str, ...]
    summary: str

    def __str__(self) -> str:
        said = f": {self.summary}" if self.summary else ""
        return f"{self.module}({', '.join(self.parameters)}) {self.method} {self.path}{said}"


def operations(root: Path) -> tuple[Operation, ...]:
    """Give the operations of a module, by their names."""
    found = []
    for file in sorted((root / "api").glob("*/*.py")):
        if file.name != "__init__.py":
            found.append(_operation(f"{file.parent.name}.{file.stem}", ast.parse(file.read_text(encoding="utf-8"))))
    return tuple(each for each in found if each is not None)


def _operation(module: str, tree: ast.Module) -> Operation | None:
    functions = {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}
    asked, called = functions.get("_get_kwargs"), functions.get("sync_detailed")
    if asked is None or called is None:
        return None
    stated = [each for each in ast.walk(asked) if isinstance(each, ast.Dict)]
    request = next((dict(_pairs(each)) for each in stated if "url" in dict(_pairs(each))), {})
    said = (ast.get_docstring(called) or "").partition("\n")[0]
    summary = "" if said.startswith("Args:") or said.startswith("Raises:") else line(said, SUMMARY_CHARS_MAX)
    method, path = request.get("method", "?").upper(), line(request.get("url", "?"), PATH_CHARS_MAX)
    return Operation(module, method, path, _parameters(asked.args), summary)


def _pairs(stated: ast.Dict) -> list[tuple[str, str]]:
    return [(_text(key), _text(value)) for key, value in zip(stated.keys, stated.values, strict=True)]


def _text(node: ast.expr | None) -> str:
    """Give a text, or what one is made of by ``format``."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str() as text))):
            return text
    return ""


def _parameters(arguments: ast.arguments) -> tuple[str, ...]:
    """Write each parameter: with ``=`` if it may be left out, and a body with its type."""
    ordinary = [*arguments.posonlyargs, *arguments.args]
    optional = len(arguments.defaults)
    may_lack = [False] * (len(ordinary) - optional) + [True] * optional
    may_lack += [each is not None for each in arguments.kw_defaults]
    return tuple(
        _parameter(each, lack) for each, lack in zip([*ordinary, *arguments.kwonlyargs], may_lack, strict=True)
    )


def _parameter(argument: ast.arg, may_lack: bool) -> str:
    typed = (
        f": {ast.unparse(argument.annotation)[:TYPE_CHARS_MAX]}"
        if argument.arg == "body" and argument.annotation
        else ""
    )
    return f"{argument.arg}{typed}" + ("=" if may_lack else "")
