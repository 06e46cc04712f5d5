"""The limits of this code: what no linter checks for us, checked on the syntax tree.

A limit is a number that somebody must argue with.  There is no comment that
switches one off: a place that needs an exception is listed here, as data.
Sizes hold everywhere; the other rules hold for the package itself.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "workhand"
MODULES = tuple(sorted(PACKAGE.rglob("*.py")))
SCRIPTS = tuple(
    path for folder in ("tests", "bench", "examples", "scripts") for path in sorted((ROOT / folder).rglob("*.py"))
)

FILE_LINES_MAX = 600
CLASS_LINES_MAX = 300
FUNCTION_LINES_MAX = 60
NESTING_MAX = 4
PARAMETERS_MAX = 8
BASES_MAX = {"errors.py": 3}  # everywhere else 1: a port or a library's class, and nothing between
BROAD_EXCEPTS = {"tools/toolbox.py": 1}  # a tool's body: whatever goes wrong in it is an observation
NAMES = {"base", "common", "helper", "helpers", "manager", "misc", "services", "util", "utils"}
IMPURE = {"open", "print", "hash", "id"}
HEAVY = {
    "anyio",
    "apsw",
    "click",
    "genai_prices",
    "h2",
    "httpx2",
    "jsonschema",
    "mcp",
    "playwright",
    "pydantic",
    "rich",
    "xllamacpp",
    "zstandard",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Block = ast.If | ast.For | ast.AsyncFor | ast.While | ast.With | ast.AsyncWith | ast.Try | ast.TryStar | ast.Match


def test_every_module_of_the_package_keeps_the_limits() -> None:
    found = [broken for path in MODULES for broken in violations(path.relative_to(PACKAGE), path.read_text("utf-8"))]
    assert not found, "\n".join(found)


def test_every_test_and_script_keeps_the_limits_of_size() -> None:
    found = [broken for path in SCRIPTS for broken in sizes(path.relative_to(ROOT), path.read_text("utf-8"))]
    assert not found, "\n".join(found)


def test_classes_inherit_from_one_class_and_errors_from_three() -> None:
    trees = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text("utf-8"), str(path)) for path in MODULES}
    found = list(deep_classes(trees))
    assert not found, "\n".join(found)


def test_importing_workhand_imports_nothing_heavy() -> None:
    code = "import sys, workhand; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert HEAVY.intersection(loaded) == set()


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("core/a.py", "'''d'''\n" + "x = 1\n" * 600, "601 lines"),
        ("core/a.py", "'''d'''\nclass A:\n" + "    x = 1\n" * 300, "class A has 301 lines"),
        ("core/a.py", "'''d'''\ndef f():\n    '''d'''\n" + "    x = 1\n" * 61, "f has 61 lines"),
        ("core/a.py", "'''d'''\nasync def f():\n" + "    x = 1\n" * 61, "f has 61 lines"),
        ("core/a.py", "'''d'''\ndef f(a, b, c, /, d, *e, g, h, i, **j): ...", "f has 9 parameters"),
        (
            "core/a.py",
            "'''d'''\nif a:\n for b in c:\n  while d:\n   with e:\n    match f:\n     case 1: pass",
            "5 deep",
        ),
        ("core/a.py", "'''d'''\ndef f():\n global a", "global"),
        ("core/a.py", "x = 1", "no docstring"),
        ("core/a.py", "'''d'''\nx = hash(y)", "calls hash"),
        ("core/utils.py", "'''d'''", "name utils"),
        ("helpers/a.py", "'''d'''", "name helpers"),
        ("core/a.py", "'''d'''\ntry: f()\nexcept Exception: g()", "1 broad except"),
        ("core/a.py", "'''d'''\ntry: f()\nexcept (ValueError, BaseException): g()", "1 broad except"),
        ("core/a.py", "'''d'''\ntry: f()\nexcept: raise", "1 broad except"),
        ("core/a.py", "'''d'''\nwith contextlib.suppress(Exception): f()", "1 broad except"),
        ("tools/toolbox.py", "'''d'''\n" + "try: f()\nexcept Exception: g()\n" * 2, "2 broad except"),
    ],
)
def test_what_breaks_a_limit_is_found(path: str, source: str, complaint: str) -> None:
    (found,) = violations(Path(path), source)
    assert complaint in found


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("store/__init__.py", ""),
        ("tools/a.py", "'''d'''\nx = hash(y)"),
        ("tools/toolbox.py", "'''d'''\ntry: f()\nexcept Exception: g()"),
        ("core/a.py", "'''d'''\ntry: f()\nexcept BaseException:\n g()\n raise"),
        ("core/a.py", "'''d'''\nclass A:\n def f(self, a, b, c, d, e, f, g, h): ..."),
        ("core/a.py", "'''d'''\nif a: b\n" + "elif c: d\n" * 5 + "else: e"),
    ],
)
def test_what_keeps_the_limits_is_left_alone(path: str, source: str) -> None:
    assert list(violations(Path(path), source)) == []


def test_a_class_that_inherits_too_deeply_is_found() -> None:
    chain = "class A(Protocol[T]): ...\nclass B(A): ...\nclass C(x.B, A): ...\nclass D(C): ..."
    trees = {
        "errors.py": ast.parse(chain),
        "core/a.py": ast.parse("class E(A): ...\nclass F(A.E): ...\nclass G(G): ..."),
    }
    assert list(deep_classes(trees)) == [
        "errors.py: D inherits 4 deep",
        "core/a.py: E inherits 2 deep",
        "core/a.py: F inherits 3 deep",
    ]


def violations(path: Path, source: str) -> Iterator[str]:
    """Give a sentence for each rule that a module of the package breaks."""
    tree = ast.parse(source, str(path))
    yield from sizes(path, source)
    yield from (f"{path}: the name {name} says nothing" for name in (*path.parts[:-1], path.stem) if name in NAMES)
    if tree.body and not ast.get_docstring(tree):
        yield f"{path}: has no docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield f"{path}:{node.lineno}: global {', '.join(node.names)}"
        if path.parts[0] == "core" and isinstance(node, ast.Call) and name_of(node.func) in IMPURE:
            yield f"{path}:{node.lineno}: calls {name_of(node.func)}"
    broad = sum(map(is_broad, ast.walk(tree)))
    if broad > BROAD_EXCEPTS.get(path.as_posix(), 0):
        yield f"{path}: has {broad} broad excepts"


def sizes(path: Path, source: str) -> Iterator[str]:
    """Give a sentence for each limit of size that a file breaks."""
    if (lines := len(source.splitlines())) > FILE_LINES_MAX:
        yield f"{path}: has {lines} lines"
    tree = ast.parse(source, str(path))
    if (depth := nesting(tree)) > NESTING_MAX:
        yield f"{path}: is nested {depth} deep"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and (lines := lines_of(node)) > CLASS_LINES_MAX:
            yield f"{path}:{node.lineno}: class {node.name} has {lines} lines"
        if isinstance(node, Function) and (lines := lines_of(node)) > FUNCTION_LINES_MAX:
            yield f"{path}:{node.lineno}: {node.name} has {lines} lines"
        if isinstance(node, Function) and (count := parameters(node.args)) > PARAMETERS_MAX:
            yield f"{path}:{node.lineno}: {node.name} has {count} parameters"


def lines_of(node: Function | ast.ClassDef) -> int:
    """Count a class from its first line; of a function only the body, without its docstring."""
    first: ast.stmt = node
    if isinstance(node, Function):
        first = node.body[1 if ast.get_docstring(node) and len(node.body) > 1 else 0]
    return (node.end_lineno or node.lineno) - first.lineno + 1


def parameters(arguments: ast.arguments) -> int:
    """Count what a caller can pass."""
    named = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
    variadic = (arguments.vararg is not None) + (arguments.kwarg is not None)
    return len(named) - (named[:1] in (["self"], ["cls"])) + len(arguments.kwonlyargs) + variadic


def nesting(node: ast.AST, depth: int = 0) -> int:
    """Give the depth of the deepest block; a function starts anew, an ``elif`` is as deep as its ``if``."""
    deepest = depth
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef):
            deepest = max(deepest, nesting(child))
        elif isinstance(child, Block) and not (isinstance(node, ast.If) and node.orelse == [child]):
            deepest = max(deepest, nesting(child, depth + 1))
        else:
            deepest = max(deepest, nesting(child, depth))
    return deepest


def is_broad(node: ast.AST) -> bool:
    """Say whether a node stops every exception: a handler that does not pass it on, or ``suppress(Exception)``."""
    match node:
        case ast.ExceptHandler(type=None):
            return True
        case ast.ExceptHandler(type=ast.expr() as kinds, body=body):
            names = {name_of(kind) for kind in (kinds.elts if isinstance(kinds, ast.Tuple) else [kinds])}
            passed_on = isinstance(body[-1], ast.Raise) and body[-1].exc is None
            return "Exception" in names or ("BaseException" in names and not passed_on)
        case ast.Call(func=function, args=kinds_given):
            names = {name_of(kind) for kind in kinds_given}
            return name_of(function) == "suppress" and not names.isdisjoint({"Exception", "BaseException"})
        case _:
            return False


def deep_classes(trees: dict[str, ast.Module]) -> Iterator[str]:
    """Give a sentence for each class with more above it than its file allows; a library's class counts as one."""
    bases = {
        node.name: [name_of(base) for base in node.bases]
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }

    def depth(name: str, below: tuple[str, ...] = ()) -> int:
        above = [each for each in bases.get(name, ()) if each not in (*below, name)]
        return max((1 + depth(each, (*below, name)) for each in above), default=0)

    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and (deep := depth(node.name)) > BASES_MAX.get(path, 1):
                yield f"{path}: {node.name} inherits {deep} deep"


def name_of(expression: ast.expr) -> str:
    """Give the last word of a name: ``C`` for ``C``, ``a.b.C`` and ``C[int]``."""
    match expression:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=value):
            return name_of(value)
        case _:
            return ""
