"""See that generated code is what a generated client is, and nothing that a description smuggled in.

It runs in a machine only, where the agent may run anything, but under the name of an API that the person trusts.  So
it may import what clients need, and may not reach for what turns text into code, or for what lies behind objects.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from workhand.errors import ConfigError

FILES_MAX = 20_000
BYTES_MAX = 64 << 20
MODULES = {"__future__", "attrs", "collections.abc", "datetime", "dateutil.parser", "enum", "http", "httpx", "io"}
MODULES |= {"json", "ssl", "typing", "urllib.parse", "uuid"}
DENIED = {"__builtins__", "__import__", "__loader__", "__spec__", "breakpoint", "compile", "delattr", "eval", "exec"}
DENIED |= {"getattr", "globals", "input", "locals", "open", "setattr", "vars"}
METHODS = {"__enter__", "__exit__", "__aenter__", "__aexit__", "__init__", "__name__"}
STATEMENTS = (
    *(ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.Assign, ast.AnnAssign, ast.Pass),
)


def check(root: Path) -> None:
    """Check every file below.  Raises ``ConfigError`` with the first thing that does not belong."""
    size = 0
    for number, path in enumerate(sorted(root.rglob("*")), 1):
        shown = path.relative_to(root).as_posix()
        if path.is_symlink() or not (path.is_dir() or path.suffix == ".py" or path.name == "py.typed"):
            raise ConfigError(
                f"The generated module has a file {shown!r}, which is no Python; this API cannot be added."
            )
        size += 0 if path.is_dir() else path.stat().st_size
        if number > FILES_MAX or size > BYTES_MAX:
            raise ConfigError(f"The generated module has more than {FILES_MAX:,} files or {BYTES_MAX:,} bytes.")
        if path.suffix == ".py" and path.is_file():
            for what in strange(path.read_text(encoding="utf-8")):
                raise ConfigError(
                    f"The generated {shown!r} has {what}, which no client needs; this API cannot be added."
                )


def strange(text: str) -> Iterator[str]:
    """Say what in a module does not belong into a client."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        yield "a fault of syntax"
        return
    for statement in tree.body:
        if not _expected(statement):
            yield f"a statement {ast.unparse(statement)[:80]!r}"
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (f"an import of {each.name!r}" for each in names if each.name not in MODULES)
            case ast.ImportFrom(module=module, level=0) if module not in MODULES:
                yield f"an import of {module!r}"
            case ast.Name(id=name) if name in DENIED:
                yield f"the name {name!r}"
            case ast.Attribute(attr=name) if name.startswith("__") and name not in METHODS:
                yield f"the attribute {name!r}"


def _expected(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body, orelse=[]):
            return all(isinstance(each, (ast.Import, ast.ImportFrom)) for each in body)
        case _:
            return isinstance(statement, STATEMENTS)
