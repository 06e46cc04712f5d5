"""Code, listings, matches, differences, logs, files and markup: what a preview of each shows."""

from __future__ import annotations

import pytest

from workhand.core.preview import Preview, preview

CASES = [
    pytest.param(
        (
            "import os\n"
            "import sys\n"
            "from json import loads\n"
            "\n"
            "LIMIT = 3\n"
            "\n"
            "class Store:\n"
            "    def get(self, key):\n"
            "        return self.rows[key]\n"
            "\n"
            "    async def put(self, key, value):\n"
            "        self.rows[key] = value\n"
            "\n"
            "def main():\n"
            "    Store().get('a')\n"
        ),
        400,
        Preview(
            "code",
            (
                "[code, 0 % left out; all 226 bytes are in r.txt]\n"
                "1: imports os, sys, json loads\n"
                "5: LIMIT = 3\n"
                "7: class Store:\n"
                "8:    def get(self, key):\n"
                "9:     return self.rows[key]\n"
                "11:    async def put(self, key, value):\n"
                "12:     self.rows[key] = value\n"
                "14: def main():\n"
                "15:    Store().get('a')\n"
                "also: self.rows"
            ),
        ),
        id="Python",
    ),
    pytest.param(
        (
            "use std::io;\n"
            "\n"
            "pub struct Point {\n"
            "    x: i32,\n"
            "}\n"
            "\n"
            "impl Point {\n"
            "    pub fn new(x: i32) -> Self {\n"
            "        Point { x }\n"
            "    }\n"
            "}\n"
            "\n"
            "fn main() {\n"
            "    let p = Point::new(1);\n"
            "}\n"
        ),
        400,
        Preview(
            "code",
            (
                "[code, 0 % left out; all 164 bytes are in r.txt]\n"
                "1: use std::io;\n"
                "3: pub struct Point {\n"
                "4:    x: i32,\n"
                "5: }\n"
                "7: impl Point {\n"
                "8:    pub fn new(x: i32) -> Self {\n"
                "9:     Point { x }\n"
                "10:    }\n"
                "11: }\n"
                "13: fn main() {\n"
                "14:    let p = Point::new(1);\n"
                "15: }\n"
                "also: Point::new"
            ),
        ),
        id="Rust",
    ),
    pytest.param(
        (
            "package a.b;\n"
            "import java.util.List;\n"
            "\n"
            "public class Box<T> extends Base {\n"
            "    private final List<T> all;\n"
            "\n"
            "    public Box(List<T> all) {\n"
            "        this.all = all;\n"
            "    }\n"
            "\n"
            "    protected static <T> Box<T> of(T one) throws IOException {\n"
            "        return new Box<>(List.of(one));\n"
            "    }\n"
            "}\n"
        ),
        400,
        Preview(
            "code",
            (
                "[code, 0 % left out; all 276 bytes are in r.txt]\n"
                "1: package a.b;\n"
                "2: import java.util.List;\n"
                "4: public class Box<T> extends Base {\n"
                "5:    private final List<T> all;\n"
                "7:    public Box(List<T> all) {\n"
                "8:     this.all = all;\n"
                "9:    }\n"
                "11:    protected static <T> Box<T> of(T one) throws IOException {\n"
                "12:     return new Box<>(List.of(one));\n"
                "13:    }\n"
                "14: }\n"
                "also: List.of this.all java.util.List"
            ),
        ),
        id="Java",
    ),
    pytest.param(
        (
            "import { a } from './a';\n"
            "\n"
            "export interface Row {\n"
            "  id: string;\n"
            "}\n"
            "\n"
            "export const load = async (id: string) => {\n"
            "  return fetch(id);\n"
            "};\n"
            "\n"
            "export default function App() {\n"
            "  return null;\n"
            "}\n"
        ),
        300,
        Preview(
            "code",
            (
                "[code, 0 % left out; all 183 bytes are in r.txt]\n"
                "1: import { a } from './a';\n"
                "3: export interface Row {\n"
                "4:   id: string;\n"
                "5: }\n"
                "7: export const load = async (id: string) => {\n"
                "8:   return fetch(id);\n"
                "9: };\n"
                "11: export default function App() {\n"
                "12:   return null;\n"
                "13: }"
            ),
        ),
        id="TypeScript",
    ),
    pytest.param(
        (
            "package main\n"
            "\n"
            'import "fmt"\n'
            "\n"
            "type Point struct {\n"
            "\tX int\n"
            "}\n"
            "\n"
            "func (p Point) Len() int {\n"
            "\treturn p.X\n"
            "}\n"
            "\n"
            "func main() {\n"
            "\tfmt.Println(1)\n"
            "}\n"
        ),
        300,
        Preview(
            "code",
            (
                "[code, 0 % left out; all 132 bytes are in r.txt]\n"
                "1: package main\n"
                '3: import "fmt"\n'
                "5: type Point struct {\n"
                "6:   X int\n"
                "7: }\n"
                "9: func (p Point) Len() int {\n"
                "10:   return p.X\n"
                "11: }\n"
                "13: func main() {\n"
                "14:   fmt.Println(1)\n"
                "15: }\n"
                "also: fmt.Println"
            ),
        ),
        id="Go",
    ),
    pytest.param(
        (
            "#include <stdio.h>\n"
            "#define MAX(a, b) ((a) > (b))\n"
            "\n"
            "struct point {\n"
            "    int x;\n"
            "};\n"
            "\n"
            "static int add(int a, int b)\n"
            "{\n"
            "    return a + b;\n"
            "}\n"
            "\n"
            "int main(void) {\n"
            "    return add(1, 2);\n"
            "}\n"
        ),
        300,
        Preview(
            "code",
            (
                "[code, 0 % left out; all 173 bytes are in r.txt]\n"
                "1: #include <stdio.h>\n"
                "2: #define MAX(a, b) ((a) > (b))\n"
                "4: struct point {\n"
                "5:    int x;\n"
                "6: };\n"
                "8: static int add(int a, int b)\n"
                "9: {\n"
                "10:    return a + b;\n"
                "11: }\n"
                "13: int main(void) {\n"
                "14:    return add(1, 2);\n"
                "15: }"
            ),
        ),
        id="C",
    ),
    pytest.param(
        "<out>\n"
        + "\n".join(
            f"{n:6}\t{text}"
            for n, text in enumerate(
                [
                    "def one(a):",
                    "    return a",
                    "",
                    "def two(b):",
                    "    return one(b)",
                    "",
                    "class Three:",
                    "    def four(self):",
                    "        return two(4)",
                ],
                40,
            )
        )
        + "\n</out>",
        300,
        Preview(
            "code",
            (
                "[code, 17 % left out; all 187 bytes are in r.txt]\n"
                "<out>\n"
                "</out>\n"
                "40: def one(a):\n"
                "41:    return a\n"
                "43: def two(b):\n"
                "44:    return one(b)\n"
                "46: class Three:\n"
                "47:    def four(self):\n"
                "48:     return two(4)\n"
                "also: /out"
            ),
        ),
        id="a part of a file with its own numbers, in a wrapper",
    ),
    pytest.param(
        "\n".join(f"src/{name}.py:{n}:    call_{name}({n})" for name in "ab" for n in (3, 9, 27)),
        300,
        Preview(
            "matches",
            (
                "[matches, 13 % left out; all 153 bytes are in r.txt]\n"
                "6 lines in 2 files\n"
                "src/a.py (3)\n"
                " 3: call_a(3)\n"
                " 9: call_a(9)\n"
                " 27: call_a(27)\n"
                "src/b.py (3)\n"
                " 3: call_b(3)\n"
                " 9: call_b(9)\n"
                " 27: call_b(27)"
            ),
        ),
        id="matches by file",
    ),
    pytest.param(
        (
            "./src/app/core/one.py\n"
            "./src/app/core/two.py\n"
            "./src/app/core/three.py\n"
            "./src/app/core/four.py\n"
            "./src/app/core/five.py\n"
            "./src/app/web/one.py\n"
            "./src/app/web/two.py\n"
            "./src/app/web/three.py\n"
            "./src/app/web/four.py\n"
            "./src/app/web/five.py"
        ),
        300,
        Preview(
            "listing",
            (
                "[listing, 35 % left out; all 222 bytes are in r.txt]\n"
                "10 names, directories: 2\n"
                "./src/app/core/: one.py  two.py  three.py  four.py  five.py\n"
                "./src/app/web/: one.py  two.py  three.py  four.py  five.py"
            ),
        ),
        id="names by directory",
    ),
    pytest.param(
        (
            "/srv/project/src/a/first.py\n"
            "/srv/project/src/a/second.py\n"
            "/srv/project/src/a/third.py\n"
            "/srv/project/src/a/fourth.py\n"
            "/srv/project/src/a/fifth.py\n"
            "/srv/project/src/b/first.py\n"
            "/srv/project/src/b/second.py\n"
            "/srv/project/src/b/third.py\n"
            "/srv/project/src/b/fourth.py\n"
            "/srv/project/src/b/fifth.py\n"
            "/srv/project/src/c/first.py\n"
            "/srv/project/src/c/second.py\n"
            "/srv/project/src/c/third.py\n"
            "/srv/project/src/c/fourth.py\n"
            "/srv/project/src/c/fifth.py\n"
            "/srv/project/src/d/first.py\n"
            "/srv/project/src/d/second.py\n"
            "/srv/project/src/d/third.py\n"
            "/srv/project/src/d/fourth.py\n"
            "/srv/project/src/d/fifth.py"
        ),
        260,
        Preview(
            "listing",
            (
                "[listing, 65 % left out; all 567 bytes are in r.txt]\n"
                "20 names, directories: 4, all under /srv/project/src/\n"
                "a/: first.py  second.py  third.py  fourth.py +1\n"
                "b/: first.py  second.py  third.py  fourth.py +1\n"
                "c/: first.py  second.py  third.py  fourth.py +1"
            ),
        ),
        id="more directories than fit are under their root",
    ),
    pytest.param(
        "total 12\ndrwxr-xr-x 2 me me 4096 Jan  1 10:00 docs\n"
        + "\n".join(f"-rw-r--r-- 1 me me {100 + n} Jan  1 10:00 file{n}.txt" for n in range(8)),
        300,
        Preview(
            "listing",
            (
                "[listing, 62 % left out; all 418 bytes are in r.txt]\n"
                "9 names, directories: 1\n"
                "total 12\n"
                "docs/  file0.txt 100  file1.txt 101  file2.txt 102  file3.txt 103  file4.txt 104  file5.tx"
                "t 105  file6.txt 106  file7.txt 107"
            ),
        ),
        id="ls -l",
    ),
    pytest.param(
        (
            ".\n"
            "├── src\n"
            "│   ├── a.py\n"
            "│   └── b.py\n"
            "├── docs\n"
            "│   ├── one.md\n"
            "│   └── two.md\n"
            "├── x.cfg\n"
            "└── y.cfg\n"
            "\n"
            "2 directories, 6 files"
        ),
        300,
        Preview(
            "listing",
            (
                "[listing, 35 % left out; all 174 bytes are in r.txt]\n"
                "9 names, directories: 3\n"
                "2 directories, 6 files\n"
                ".  src  docs  x.cfg  y.cfg\n"
                "src/: a.py  b.py\n"
                "docs/: one.md  two.md"
            ),
        ),
        id="tree",
    ),
    pytest.param(
        "\n".join(
            [
                "2026-01-01 10:00:00 INFO start",
                *(f"2026-01-01 10:00:{n:02} INFO step {n} done" for n in range(30)),
                "2026-01-01 10:00:31 ERROR disk /dev/sda1 full",
                "2026-01-01 10:00:32 WARNING retrying",
                *(f"2026-01-01 10:01:{n:02} INFO step {n} done" for n in range(30)),
                "2026-01-01 10:02:00 INFO end",
            ]
        ),
        360,
        Preview(
            "log",
            (
                "[log, 88 % left out; all 2,402 bytes are in r.txt]\n"
                "64 lines, 62 INFO, 1 ERROR, 1 WARNING\n"
                "2026-01-01 10:00:00 INFO start\n"
                "…\n"
                "2026-01-01 10:00:01 INFO step 1 done\n"
                "…\n"
                "2026-01-01 10:00:31 ERROR disk /dev/sda1 full\n"
                "2026-01-01 10:00:32 WARNING retrying\n"
                "…\n"
                "2026-01-01 10:02:00 INFO end\n"
                "…\n"
                "also: 2026-01-01 10:01:29 INFO 10:01:28 10:01:27 1…"
            ),
        ),
        id="a log: counts, the error, the warning",
    ),
    pytest.param(
        "\n".join(
            [
                "===== test session starts =====",
                *(f"tests/test_a.py::test_{n} PASSED" for n in range(30)),
                "tests/test_a.py::test_z FAILED",
                "Traceback (most recent call last):",
                '  File "a.py", line 3, in f',
                "ValueError: no such key: 'blue'",
                "FAILED tests/test_a.py::test_z - ValueError",
                "===== 1 failed, 30 passed in 0.10s =====",
            ]
        ),
        360,
        Preview(
            "log",
            (
                "[log, 76 % left out; all 1,192 bytes are in r.txt]\n"
                "37 lines\n"
                "===== test session starts =====\n"
                "tests/test_a.py::test_0 PASSED\n"
                "…\n"
                "tests/test_a.py::test_z FAILED\n"
                "…\n"
                "ValueError: no such key: 'blue'\n"
                "FAILED tests/test_a.py::test_z - ValueError\n"
                "===== 1 failed, 30 passed in 0.10s =====\n"
                "…\n"
                "also: Traceback a.py tests/test_a.py::test_9 PASSE…"
            ),
        ),
        id="a run of tests",
    ),
    pytest.param(
        (
            "diff --git a/x.py b/x.py\n"
            "index 1..2 100644\n"
            "--- a/x.py\n"
            "+++ b/x.py\n"
            "@@ -1,3 +1,3 @@ def f():\n"
            " a\n"
            "-old_name()\n"
            "+new_name()\n"
            " b\n"
            "diff --git a/y.md b/y.md\n"
            "--- a/y.md\n"
            "+++ b/y.md\n"
            "@@ -9 +9,2 @@\n"
            " c\n"
            "+added_line\n"
        ),
        300,
        Preview(
            "diff",
            (
                "[diff, 28 % left out; all 196 bytes are in r.txt]\n"
                "2 files, 2 hunks: x.py +1 -1, y.md +1 -0\n"
                "…\n"
                "x.py @@ -1,3 +1,3 @@ def f():\n"
                "…\n"
                "-old_name()\n"
                "+new_name()\n"
                "…\n"
                "y.md @@ -9 +9,2 @@\n"
                "…\n"
                "+added_line"
            ),
        ),
        id="a diff",
    ),
    pytest.param(
        (
            "<!DOCTYPE html><html><head><title>Shop</title><script>var a = '<b>';</script></head><body>"
            "<!-- <i> --><h1>Chairs</h1><p>Two kinds.</p><a href='/chair/12'>Oak chair</a><form action="
            "'/buy' method='post'><input name='count' type='number'><button id='go'>Buy</button></form>"
            "</body></html>"
        ),
        300,
        Preview(
            "html",
            (
                "[html, 47 % left out; all 284 bytes are in r.txt]\n"
                "<!DOCTYPE html>\n"
                "title: Shop\n"
                "-->\n"
                "# Chairs\n"
                "Two kinds.\n"
                "[Oak chair](/chair/12)\n"
                "form action=/buy method=post\n"
                "input name=count type=number\n"
                "button id=go\n"
                "Buy"
            ),
        ),
        id="HTML",
    ),
    pytest.param(
        (
            "<?xml version='1.0'?><parts><part id='p1'><name>bolt</name></part><part id='p2'><name>nut<"
            "/name></part><part id='p3'><name>pin</name></part></parts>"
        ),
        300,
        Preview(
            "xml",
            (
                "[xml, 38 % left out; all 148 bytes are in r.txt]\n"
                "<?xml version='1.0'?>\n"
                "<part id=p1>\n"
                "name: bolt\n"
                "<part id=p2>\n"
                "name: nut\n"
                "<part id=p3>\n"
                "name: pin"
            ),
        ),
        id="XML",
    ),
]


@pytest.mark.parametrize(("text", "bytes_max", "shown"), CASES)
def test_the_work_of_programs_is_shown_by_what_tells_most(text: str, bytes_max: int, shown: Preview) -> None:
    assert preview(text.encode(), path="r.txt", bytes_max=bytes_max) == shown
