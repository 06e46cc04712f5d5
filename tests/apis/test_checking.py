"""Generated code that holds what no client needs is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from workhand.apis import checking
from workhand.errors import ConfigError

CLIENT = """
from __future__ import annotations
from typing import Any, TYPE_CHECKING
import httpx
from ..types import UNSET
if TYPE_CHECKING:
    from ..models.bolt import Bolt
T = 1
class Bolt:
    '''A bolt.'''
    id: int = 7
    def __init__(self) -> None:
        super().__init__()
"""


def test_a_client_is_what_is_expected() -> None:
    assert list(checking.strange(CLIENT)) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import os", "an import of 'os'"),
        ("def f():\n    from subprocess import run", "an import of 'subprocess'"),
        ("import httpx, sys", "an import of 'sys'"),
        ("print('hello')", "a statement \"print('hello')\""),
        ("if True:\n    pass", "a statement 'if True:\\n    pass'"),
        ("def f(a=eval('1')): pass", "the name 'eval'"),
        ("class A:\n    x = __import__('os')", "the name '__import__'"),
        ("T = ().__class__.__base__", "the attribute '__base__'"),
        ("def f(:", "a fault of syntax"),
    ],
)
def test_what_was_smuggled_in_is_found(text: str, what: str) -> None:
    assert what in list(checking.strange(text))


def test_a_file_that_is_no_python_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("true")
    with pytest.raises(ConfigError, match=r"a file 'run\.sh', which is no Python"):
        checking.check(tmp_path)


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "client.py").symlink_to("/etc/passwd")
    with pytest.raises(ConfigError, match=r"a file 'client\.py'"):
        checking.check(tmp_path)
