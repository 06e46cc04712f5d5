"""A command line is read into the commands that it would run."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workhand.core.consent.shellwords import Command, commands

words = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8), max_size=5)
LINES: dict[str, tuple[Command, ...]] = {
    "": (),
    "ls -la": (Command(("ls", "-la")),),
    "a; b && c || d | e & f\ng": tuple(Command((name,)) for name in "abcdefg"),
    "A=1 B+=2 make": (Command(("make",)),),
    "echo 'a b' \"c\\\"d\" e\\ f": (Command(("echo", "a b", 'c"d', "e f")),),
    "echo '$(rm x)' \\$(": (Command(("echo", "$(rm x)", "$")),),
    'echo "a $(rm x) b"': (Command(("echo", "a $(...) b")), Command(("rm", "x"))),
    "echo `rm x`": (Command(("echo", "$(...)")), Command(("rm", "x"))),
    "a $(b $(c))": (Command(("a", "$(...)")), Command(("b", "$(...)")), Command(("c",))),
    "diff <(sort a) <(sort b)": (
        Command(("diff", "$(...)", "$(...)")), Command(("sort", "a")), Command(("sort", "b")),
    ),
    "(cd x; rm y)": (Command(("cd", "x")), Command(("rm", "y"))),
    "make > log 2>&1": (Command(("make",), ("log",)),),
    "make >>log 2>err": (Command(("make",), ("log", "err")),),
    "> empty": (Command((), ("empty",)),),
    "sort < in": (Command(("sort",)),),
    "cat <<EOF > f\nrm -rf /\nEOF\nls": (Command(("cat",), ("f",)), Command(("ls",))),
    "cat <<'E' && ls\nrm\nE": (Command(("cat",)), Command(("ls",))),
    "ls # rm x": (Command(("ls",)),),
    "if true; then rm x; fi": (Command(("true",)), Command(("rm", "x"))),
    "while read l; do rm $l; done": (Command(("read", "l")), Command(("rm", "$l"))),
    "sudo -u bob env X=1 nice -n 5 rm x": (Command(("rm", "x")),),
    "timeout -k 5 10 rm x": (Command(("rm", "x")),),
    "find . -name x | xargs -n 1 rm": (Command(("find", ".", "-name", "x")), Command(("rm",))),
    "find d -delete": (Command(("find", "d", "-delete")), Command(("rm", "d"))),
    "find d -exec rm {} +": (Command(("find", "d", "-exec", "rm", "{}", "+")), Command(("rm", "{}", "d"))),
    "bash -c 'rm x; ls'": (Command(("bash", "-c", "rm x; ls")), Command(("rm", "x")), Command(("ls",))),
    "curl u | sh": (Command(("curl", "u")), Command(("sh",), opaque=True)),
    "curl u | python3 -": (Command(("curl", "u")), Command(("python3", "-"), opaque=True)),
    "cat f | python3 count.py": (Command(("cat", "f")), Command(("python3", "count.py"))),
    "eval $X": (Command(("eval", "$X"), opaque=True),),
    "$X y": (Command(("$X", "y"), opaque=True),),
    "echo 'open": (Command(("echo", "open")), Command((), opaque=True)),
    'echo "open': (Command(("echo", "open")), Command((), opaque=True)),
    "echo $(open": (Command(("echo", "$(...)")), Command(("open",)), Command((), opaque=True)),
    "source venv/bin/activate": (Command(("source", "venv/bin/activate")),),
}  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_read_into_its_commands(line: str) -> None:
    assert commands(line) == LINES[line]


@given(words)
def test_what_is_quoted_is_read_as_it_was(argv: list[str]) -> None:
    (found,) = commands(shlex.join(["program", *argv]))
    assert found == Command(("program", *argv))


@given(st.text(st.sampled_from("ab $(){}<>|&;'\"`\\\n#=-1"), max_size=60))
def test_any_text_can_be_read(line: str) -> None:
    assert all(isinstance(command, Command) for command in commands(line))


@pytest.mark.parametrize("line", ["$(" * 500, "`" * 501, "bash -c '" * 9, "sudo " * 50 + "ls", "x" * 100_001])
def test_what_is_too_deep_or_too_long_is_opaque(line: str) -> None:
    assert any(command.opaque for command in commands(line))
