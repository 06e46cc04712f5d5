"""A line is read into what it would run, and where; whatever it is, reading it ends."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workhand.core.consent.running import Part, parts_of
from workhand.core.consent.shellwords import COMMANDS_MAX, read

words = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8), max_size=5)
PIECES = (
    *("$(", "(", "((", ")", "))", "`", '"', "'", "bash -c '", 'bash -c "', "eval", "<(", "${", "}", "case x in", "a)"),
    *(";;", "esac", "[[", "]]", "for i in", "; do", "done", "|", "&&", "$i", "X=", "{a,b}", "find . -exec", "{}"),
    *("\\;", "xargs", "sudo", "trap", "?(", "#", "\\", "<<E\n", "E\n", ">", "2>&1"),
)
READ: dict[str, list[str]] = {
    "": [],
    "a; b && c || d | e & f\ng": list("abcdefg"),
    "A=1 B+=2 make": ["make"],
    "echo 'a b' \"c\\\"d\" e\\ f": ["echo|a b|c\"d|e f"],
    "echo '$(rm x)' \\$(": ["echo|$(rm x)|$", "OPAQUE"],
    'echo "a $(rm x)"': ["rm|x", "echo|a $(rm x)"],
    'echo "\\`x\\` \\$y \\z"': ["echo|`x` $y \\z"],
    "echo `rm \\`x\\``": ["x", "rm|`x`", "echo|`rm \\`x\\``"],
    "diff <(sort a) <(sort b)": ["sort|a", "sort|b", "diff|<(sort a)|<(sort b)"],
    "cat <<EOF\n$(x) `y`\nEOF\nls": ["cat", "x", "y", "ls"],
    "cat <<'E' && ls\n$(x)\nE": ["cat", "ls"],
    "cat <<-E\n\tx\n\tE\nls": ["cat", "ls"],
    "ls # rm x": ["ls"],
    "echo a#b": ["echo|a#b"],
    "if a; then b; elif c; then d; else e; fi": list("abcde"),
    "case $x in a|b) c;; (d) e;; *) f\nesac; g": list("cefg"),
    "for i in a b; do c $i; done": ["c|a|b"],
    "for ((i=0;i<3;i++)); do a; done; ((i++)); b": list("ab"),
    "[[ $a =~ ^(x|y)$ && $(b) ]] && c": list("bc"),
    "f() { a; }; function g { b; }; c": list("abc"),
    "A=(1 $(x)); y": list("xy"),
    "echo $((1 + (2))) ${a:-$(x)}": ["x", "echo|$((1 + (2)))|${a:-$(x)}"],
    "echo $'a\\x41\\n'": ["echo|aA\n"],
    "a |\n b": list("ab"),
    "echo 'open": ["echo|", "OPAQUE"],
    "(a": ["a", "OPAQUE"],
    "a)": ["a", "OPAQUE"],
    "sudo -u bob env X=1 rm x": ["sudo|-u|bob|env|X=1|rm|x", "env|X=1|rm|x", "rm|x"],
    "timeout -k 5 10 nice -n 5 x": ["timeout|-k|5|10|nice|-n|5|x", "nice|-n|5|x", "x"],
    "bash -lc 'a; b'": ["bash|-lc|a; b", "a", "b"],
    "find d -exec rm {} +": ["find|d|-exec|rm|{}|+", "rm|d/{}"],
    "find d | xargs -n 1 rm": ["find|d", "xargs|-n|1|rm", "rm|d/{}"],
    "X=rm; $X y": ["rm|y"],
}  # fmt: skip
WRITES: dict[str, tuple[str, ...]] = {
    "make > log 2>&1": ("/home/agent/log",),
    "make 2>err >&1 &>>all": ("/home/agent/err", "/home/agent/all"),
    "{ a; b; } > c": ("/home/agent/c",),
    "cd a && > b": ("/home/agent/a/b",),
    "(cd /etc); > b": ("/home/agent/b",),
    "(cd /etc; > b)": ("/etc/b",),
    "cd -; > b": ("$OLDPWD/b",),
    "rm ~/a '~/b' $HOME/c": ("/home/agent/a", "/home/agent/~/b", "/home/agent/c"),
    "D=$(mktemp -d); rm $D/x": ("/tmp/fresh/x",),
    "rm $HOMEDIR/x": ("$HOMEDIR/x",),
    "cp -t d a b": ("/home/agent/d",),
    "tar xf a -C d": ("/home/agent/d",),
    "tar cf a -C /etc .": (),
    "sed -i s/a/b/ c d": ("/home/agent/c", "/home/agent/d"),
    "sed s/a/b/ c": (),
}


def shown(part: Part) -> str:
    return "|".join(part.words) if part.words else "OPAQUE"


@pytest.mark.parametrize("line", READ)
def test_a_line_is_read_into_its_commands(line: str) -> None:
    assert [shown(part) for part in parts_of(line)] == READ[line]


@pytest.mark.parametrize("line", WRITES)
def test_what_a_line_writes_is_found_where_it_would_be(line: str) -> None:
    assert tuple(path for part in parts_of(line) for path in part.paths) == WRITES[line]


@given(words)
def test_what_is_quoted_is_read_as_it_was(argv: list[str]) -> None:
    (found,) = parts_of(shlex.join(["program", *argv]))
    assert found == Part(("program", *argv))


@given(st.text(st.sampled_from("ab $(){}<>|&;'\"`\\\n#=-1*~[]!?:,"), max_size=60))
def test_any_text_can_be_read(line: str) -> None:
    assert len(parts_of(line)) <= COMMANDS_MAX + 1


@given(st.lists(st.sampled_from(PIECES), max_size=60).map(" ".join))
def test_any_pieces_of_a_line_can_be_read(line: str) -> None:
    assert len(read(line).commands) <= COMMANDS_MAX + 2


@pytest.mark.parametrize(
    "line",
    [
        "$(" * 20 + "x" + ")" * 20,
        "$(" * 5_000, "`" * 5_001, "(" * 5_000, 'eval "' * 3_000, "sudo " * 5_000 + "ls", "x" * 40_001, "a;" * 9_000,
        "X='" + "a " * 9_000 + "'; " + "rm $X;" * 400,
        "X=a; " + "for X in $X $X; do x; done; " * 30 + "rm -r $X",
    ],
)  # fmt: skip
def test_what_is_too_deep_or_too_long_is_opaque_or_unknown(line: str) -> None:
    assert any(part.opaque or part.paths[-1:] == ("$X",) for part in parts_of(line))
