"""What sessions of each kind look like: how many calls, how large, how repetitive, with which tools.

Most figures were measured on 130 recorded sessions of public data sets, named by
a letter behind each; what no recording shows is assumed.  Sizes are bytes of
UTF-8; calls are calls of tools.

    T  Toolathlon, 57 sessions of office, data and web tasks; native calls, some in parallel
    L  live-swe-agent on SWE-bench Verified, 20 sessions of Python repair; its reasoning was not recorded
    J  SWE-agent on Multi-SWE-bench, 8 sessions of Java repair
    O  OpenHands on DevAI, 1 session
    M  Magentic-One on GAIA and AssistantBench, 9 sessions of web research; most answers make no call
    E  EnIGMA on capture-the-flag tasks, 21 sessions; calls are written in the text, many are repeated
    A  assumed

How often something is needed again is a lower bound in the recordings, where only
identifiers found word for word count: 29 % of the calls need an earlier result in
T, 26 % in L, 8 % in E and none in M, whose agent points at elements by number; the
result came 9.4, 7.6 and 4.5 answers before on average, half of them 5, 6 and 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from workhand.lab.synthetic.content import FormName, Naming

PlainKind: TypeAlias = Literal["office", "code", "web", "ctf"]
Kind: TypeAlias = PlainKind | Literal["mixed"]

Quantiles: TypeAlias = tuple[tuple[float, int], ...]
"""Shares of the cases with the value that they do not exceed; between two of them it grows by equal factors."""


@dataclass(frozen=True, slots=True)
class Figures:
    calls: Quantiles  # of a session
    system_bytes: int  # median; 0 where there is no system prompt
    task_bytes: int  # median of what the user asks for
    result_bytes: Quantiles
    text_bytes: Quantiles  # of an answer that says something
    argument_bytes: Quantiles  # of a call
    errors: float  # share of results that are errors
    repeated_calls: float  # share of calls that equal an earlier one
    same_results: float  # share of repeated calls that bring the same result again
    input_output: float  # bytes read over bytes written if nothing is ever removed; follows from the others
    parallel: float = 0.0  # share of calling answers with several calls at median length; it grows with its square
    parallel_calls: float = 1.0  # calls of such an answer, mean
    silent: float = 0.0  # share of calling answers that say nothing
    speaking: float = 0.0  # share of answers that make no call
    needed: float = 0.36  # share of calls that need an identifier of an earlier result
    needed_age: float = 6.0  # how many calling answers before that result came, mean of a geometric distribution
    middle: float = 0.6  # share of these identifiers that stand in the middle eight tenths of the result
    in_text: bool = False  # calls are written in the text of the answer


@dataclass(frozen=True, slots=True)
class Tool:
    """One way to call: what it can be asked for and what comes back."""

    name: str
    takes: Naming
    form: FormName  # of what it returns
    key: str  # the argument with the identifier
    shape: str = "{}"  # how the identifier is written there
    wording: str = "reason"  # an argument for a few words
    writes: FormName | None = None  # the form of what stands in an argument ``content``


# fmt: off
FIGURES: dict[PlainKind, Figures] = {
    "office": Figures(
        calls=((0, 19), (.1, 25), (.25, 32), (.5, 40), (.75, 54), (.9, 81), (.96, 107), (1, 245)),  # T
        system_bytes=0,  # T: none was recorded
        task_bytes=700,  # T
        result_bytes=((0, 20), (.1, 105), (.25, 135), (.5, 422), (.75, 1725), (.9, 5246), (.95, 6852), (.97, 11_550),
                      (.98, 26_871), (.99, 66_022), (.995, 100_373), (1, 101_017)),
        # T without the two sessions that its source cut short; its tools cut at 100,000 characters
        text_bytes=((0, 20), (.1, 44), (.5, 92), (.9, 280), (.99, 1867), (1, 4_000)),  # T
        argument_bytes=((0, 20), (.1, 32), (.5, 106), (.75, 209), (.9, 1390), (.95, 2754), (.99, 8147),
                        (1, 12_000)),  # T
        errors=.053,  # T
        repeated_calls=.063,  # T
        same_results=.4,  # T: 1.7 % of the results have 200 characters and equal an earlier one
        input_output=108,  # T
        parallel=.05, parallel_calls=5.0,  # T: 9.2 % of all answers, and most in the longest sessions
        silent=.163,  # T
        needed=.36,  # A: with it 30 % of the results are needed again; T .29
        needed_age=6.0,  # A; T 9.4
        middle=.57,  # T
    ),
    "code": Figures(
        calls=((0, 16), (.1, 17), (.25, 20), (.5, 28), (.75, 36), (.9, 45), (1, 48)),  # L, J, O
        system_bytes=2_000, task_bytes=6_000,  # L has 1,689 tokens in both, J 6,950
        result_bytes=((0, 20), (.1, 112), (.25, 194), (.5, 758), (.75, 4488), (.9, 9408), (.95, 11_377),
                      (.99, 35_735), (.999, 128_320), (1, 666_865)),  # L, J, O
        text_bytes=((0, 60), (.1, 188), (.5, 325), (.9, 941), (.99, 3497), (1, 5_600)),
        # A: 1.4 times L, J, O, for the reasoning that L leaves out
        argument_bytes=((0, 15), (.1, 26), (.25, 45), (.5, 67), (.75, 102), (.9, 543), (.95, 1029), (.99, 1957),
                        (1, 4_030)),  # L, J, O
        errors=.148,  # L, J, O
        repeated_calls=.084,  # L, J, O
        same_results=1,  # L, J, O: 6.8 % of the results
        input_output=100,  # A: L, J, O have 225 as recorded; L with its reasoning has 40
        silent=0,  # A: as if every answer had said what it thought
        needed=.36, needed_age=6.0,  # A; L .26, 7.6
        middle=.69,  # L
    ),
    "web": Figures(
        calls=((0, 21), (.25, 28), (.5, 30), (1, 31)),  # M: stopped after 30
        system_bytes=0,  # M
        task_bytes=160,  # M
        result_bytes=((0, 200), (.1, 497), (.25, 1143), (.5, 2333), (.75, 3643), (.9, 4708), (.95, 7675),
                      (.99, 21_642), (1, 34_026)),  # M
        text_bytes=((0, 10), (.1, 22), (.5, 247), (.9, 1298), (.99, 5415), (1, 8_000)),  # M
        argument_bytes=((0, 60), (.1, 117), (.5, 223), (.9, 333), (.99, 476), (1, 600)),  # M
        errors=0,  # M: its tools report errors as pages
        repeated_calls=.036,  # M
        same_results=.3,  # M: .9 % of the results
        input_output=106,  # M
        speaking=.69,  # M: 97 answers with 30 calls
        needed=.36, needed_age=6.0, middle=.6,  # A
    ),
    "ctf": Figures(
        calls=((0, 31), (.1, 34), (.25, 49), (.5, 62), (.75, 66), (.9, 75), (1, 111)),  # E
        system_bytes=5_000, task_bytes=11_000,  # E: together 4,074 tokens
        result_bytes=((0, 60), (.1, 197), (.25, 300), (.5, 447), (.75, 1100), (.9, 2257), (.95, 3405),
                      (.99, 5677), (1, 12_142)),  # E
        text_bytes=((0, 60), (.1, 137), (.25, 208), (.5, 441), (.75, 750), (.9, 1626), (.99, 2758), (1, 4_649)),
        # E: with the call in it
        argument_bytes=((0, 20), (.1, 31), (.5, 41), (.75, 57), (.9, 321), (.95, 1025), (.99, 1977), (1, 4_049)),  # E
        errors=.1,  # E
        repeated_calls=.414,  # E
        same_results=.75,  # E: 25.5 % of the results
        input_output=103,  # E
        needed=.1, needed_age=4.5,  # E .08, 4.5
        middle=.6,  # A
        in_text=True,  # E
    ),
}
MIXED: tuple[tuple[PlainKind, float], ...] = (("office", .55), ("code", .22), ("web", .07), ("ctf", .16))
# by the number of recorded sessions: T with 14 more of office work, L with J and O, M, E
PAUSES = .02  # share of answers before which the agent rested for longer than a cache lives; A
# fmt: on

TOOLS: dict[PlainKind, tuple[Tool, ...]] = {
    "office": (
        Tool("files_list", "path", "listing", "folder", wording="matching"),
        Tool("files_read", "path", "prose", "path"),
        Tool("files_search", "path", "matches", "below", wording="words"),
        Tool("logs_read", "path", "log", "path", wording="filter"),
        Tool("records_get", "record", "records", "id", wording="include"),
        Tool("records_find", "record", "records", "after", wording="query"),
        Tool("sheets_read", "record", "table", "first_row", wording="where"),
        Tool("web_open", "link", "page", "url"),
        Tool("python_run", "record", "table", "record", writes="python"),
        Tool("files_write", "path", "listing", "path", writes="table"),
        Tool("mail_send", "record", "records", "about", writes="prose"),
    ),
    "code": (
        Tool("bash", "path", "listing", "command", "ls -l $(dirname {})"),
        Tool("bash", "path", "python", "command", "sed -n '1,240p' {}"),
        Tool("bash", "path", "java", "command", "cat {}"),
        # What agents search for most; it is text of made-up recordings, which a golden digest holds.
        Tool("bash", "path", "matches", "command", "grep -rn TODO {}"),
        Tool("bash", "symbol", "matches", "command", "grep -rn {} src"),
        Tool("bash", "symbol", "tests", "command", "pytest -q -k {}"),
        Tool("bash", "symbol", "python", "command", "git log -L :{}:src --oneline"),
        Tool("edit", "path", "python", "path", writes="python"),
        Tool("edit", "symbol", "tests", "function", writes="java"),
    ),
    "web": (
        Tool("page_open", "link", "page", "url"),
        Tool("page_find", "link", "page", "url", wording="words"),
        Tool("web_search", "link", "page", "like", wording="query"),
        Tool("file_fetch", "path", "prose", "path"),
    ),
    "ctf": (
        Tool("shell", "path", "listing", "command", "file {}"),
        Tool("shell", "path", "matches", "command", "strings -n 8 {}"),
        Tool("shell", "path", "python", "command", "cat {}"),
        Tool("decompile", "address", "java", "address"),
        Tool("disassemble", "address", "dump", "from"),
        Tool("shell", "address", "dump", "command", "gdb -batch -ex 'x/64i {}' vault"),
        Tool("script", "address", "log", "target", writes="python"),
        Tool("script", "symbol", "failure", "entry", writes="python"),
        Tool("shell", "symbol", "matches", "command", "grep -rn {} ."),
        Tool("script", "path", "prose", "path", writes="python"),
    ),
}
