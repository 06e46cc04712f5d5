"""Texts as agents get to see them, made from chance: listings, records, tables, logs, source, pages, test runs.

Nothing here was copied from anywhere.  Every form is an endless series of lines,
most of which name something that a later call can ask for, so a text can be made
of any size and the one who asks knows which identifiers stand in it and where.
Only ``chance.random()`` is drawn, whose series is the same in every version of
Python; nothing depends on the hash seed or on the order of a set.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, NamedTuple, TypeAlias, TypeVar

from workhand.lab.synthetic.vocabulary import (
    ADJECTIVES,
    DOMAINS,
    FAILURES,
    LEVELS,
    NOUNS,
    OPERATIONS,
    PATTERNS,
    PEOPLE,
    REGISTERS,
    SENTENCES,
    STATES,
    SUFFIXES,
    THOUGHTS,
    VERBS,
)

Naming: TypeAlias = Literal["path", "record", "link", "symbol", "address"]
"""What sort of thing an identifier names, and so which call can take it."""

FormName: TypeAlias = Literal[
    "listing",
    "records",
    "table",
    "log",
    "python",
    "java",
    "page",
    "tests",
    "matches",
    "dump",
    "prose",
    "thought",
    "failure",
]

SHORT_BYTES = 160  # below this there is no room for a form, and a tool says a sentence

T = TypeVar("T")


class Line(NamedTuple):
    text: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    text: str
    names: tuple[str, ...]  # in the order in which they stand in the text
    naming: Naming


@dataclass(frozen=True, slots=True)
class Form:
    lines: Callable[[Random], Iterator[Line]]
    naming: Naming
    head: str = ""
    joint: str = "\n"
    tail: str = "\n"


def content(chance: Random, form: FormName, size_bytes: int) -> Content:
    """Make a text of one form, as near to a size as whole lines allow."""
    shape = FORMS[form]
    if size_bytes < SHORT_BYTES and form not in ("prose", "thought"):
        shape = Form(_sentences(shape.naming), shape.naming, joint=" ", tail="")
    texts: list[str] = []
    names: list[str] = []
    room = size_bytes - len(shape.head) - len(shape.tail)
    for line in shape.lines(chance):
        length = len(line.text.encode()) + len(shape.joint)
        if texts and room < length / 2:
            break
        room -= length
        texts.append(line.text)
        if line.name:
            names.append(line.name)
    return Content(shape.head + shape.joint.join(texts) + shape.tail, tuple(names), shape.naming)


def phrase(chance: Random, size_bytes: int) -> str:
    """Make a few words, at least one."""
    words = [pick(chance, NOUNS)]
    while sum(map(len, words)) + len(words) + 4 < size_bytes:
        words.append(pick(chance, (ADJECTIVES, NOUNS)[len(words) % 2]))
    return " ".join(words)


def name(chance: Random, naming: Naming) -> str:
    """Make an identifier that is most likely in no other text."""
    noun, other, number = pick(chance, NOUNS), pick(chance, NOUNS), below(chance, 1_000_000)
    match naming:
        case "path":
            return f"{noun}/{other}-{number:06d}.{pick(chance, SUFFIXES)}"
        case "record":
            return f"{noun[:3].upper()}-{number:06d}"
        case "link":
            return f"/{noun}/{pick(chance, ADJECTIVES)}-{other}-{number:06d}"
        case "symbol":
            return f"{pick(chance, VERBS)}_{other}_{number % 10_000:04d}"
        case "address":
            return f"0x{0x400000 + number * 4:08x}"


def pick(chance: Random, among: Sequence[T]) -> T:
    return among[below(chance, len(among))]


def below(chance: Random, end: int) -> int:
    return int(chance.random() * end)


def _sentences(naming: Naming) -> Callable[[Random], Iterator[Line]]:
    def lines(chance: Random) -> Iterator[Line]:
        while True:
            named = name(chance, naming)
            yield Line(pick(chance, SENTENCES).format(named, below(chance, 400) + 1), named)

    return lines


def _listing(chance: Random) -> Iterator[Line]:
    root = f"{pick(chance, NOUNS)}-{below(chance, 100):02d}"
    yield Line(f"total {below(chance, 90_000)}\n{root}/:")
    while True:
        path = name(chance, "path")
        owner, size = pick(chance, PEOPLE)[0].lower(), 10 ** (1 + 6 * chance.random())
        yield Line(f"-rw-r--r-- 1 {owner:<8} staff {int(size):>9} {_day(chance)} {_time(chance)} {root}/{path}", path)


def _records(chance: Random) -> Iterator[Line]:
    noun = pick(chance, NOUNS)
    while True:
        first, last = pick(chance, PEOPLE), pick(chance, PEOPLE)
        id = name(chance, "record")
        fields = {
            "id": id,
            "kind": noun,
            "owner": f"{first[0]} {last[1]}",
            "email": f"{first[0]}.{last[1]}@{pick(chance, DOMAINS)}".lower(),
            "state": pick(chance, STATES),
            "amount": round(chance.random() * 10_000, 2),
            "due": _day(chance),
            "tags": [pick(chance, ADJECTIVES), pick(chance, NOUNS)],
        }
        if chance.random() < 0.3:
            fields["note"] = _sentence(chance)
        yield Line("  " + json.dumps(fields, ensure_ascii=False), id)


def _table(chance: Random) -> Iterator[Line]:
    yield Line(f"id,date,customer,{pick(chance, NOUNS)},quantity,price,state")
    while True:
        id, (first, last) = name(chance, "record"), pick(chance, PEOPLE)
        quantity, price = below(chance, 40) + 1, chance.random() * 500
        noun, state = pick(chance, NOUNS), pick(chance, STATES)
        yield Line(f'{id},{_day(chance)},"{last}, {first}",{noun},{quantity},{price:.2f},{state}', id)


def _log(chance: Random) -> Iterator[Line]:
    day, service = _day(chance), pick(chance, NOUNS)
    while True:
        moment = f"{day}T{_time(chance)}:{below(chance, 60):02d}.{below(chance, 1000):03d}Z"
        path, level = name(chance, "path"), pick(chance, LEVELS)
        doing, took = f"{pick(chance, VERBS)} {pick(chance, NOUNS)}", below(chance, 4_000)
        text = f"{moment} {level:<5} {service}.{pick(chance, NOUNS)} {doing} file={path} took={took}ms"
        yield Line(f"{text} error={pick(chance, FAILURES)!r}" if level == "ERROR" else text, path)


def _python(chance: Random) -> Iterator[Line]:
    noun = pick(chance, NOUNS)
    yield Line(f'"""{_sentence(chance)}"""\n\nfrom __future__ import annotations\n\nimport csv\nimport json\n')
    while True:
        symbol, other, adjective = name(chance, "symbol"), pick(chance, NOUNS), pick(chance, ADJECTIVES)
        lines = [
            f"\ndef {symbol}({noun}s: list[dict[str, str]], {other}: int = {below(chance, 90)}) -> dict[str, int]:",
            f'    """{_sentence(chance)}"""',
            f"    {adjective}: dict[str, int] = {{}}",
            f"    for {noun} in {noun}s:",
            f'        if {noun}["{pick(chance, NOUNS)}"] == "{pick(chance, STATES)}":',
            "            continue",
            f'        {adjective}[{noun}["id"]] = len({noun}) + {other}',
            f"    return {adjective}\n",
        ]
        yield from _block(lines, symbol)


def _java(chance: Random) -> Iterator[Line]:
    noun, other = pick(chance, NOUNS).title(), pick(chance, NOUNS)
    yield Line(f"package org.{other}.{noun.lower()};\n\nimport java.util.List;\nimport java.util.Map;\n")
    yield Line(f"/** {_sentence(chance)} */\npublic final class {noun}{other.title()} {{")
    while True:
        symbol, each = name(chance, "symbol"), pick(chance, NOUNS)
        lines = [
            f"\n    /** {_sentence(chance)} */",
            f"    public Map<String, {noun}> {symbol}(List<{noun}> {each}s, int {pick(chance, ADJECTIVES)}) {{",
            f"        for ({noun} {each} : {each}s) {{",
            f'            if ({each}.{pick(chance, VERBS)}("{pick(chance, STATES)}", {below(chance, 500)})) {{',
            f'                throw new IllegalStateException("{pick(chance, FAILURES)}");',
            "            }",
            "        }",
            f"        return {pick(chance, VERBS)}({each}s);",
            "    }",
        ]
        yield from _block(lines, symbol)


def _page(chance: Random) -> Iterator[Line]:
    yield Line(f"<title>{phrase(chance, 30).title()}</title>\n</head>\n<body>\n<nav><ul>")
    for _ in range(4):
        link = name(chance, "link")
        yield Line(f'<li class="nav-entry"><a href="{link}">{phrase(chance, 16)}</a></li>', link)
    yield Line("</ul></nav>\n<main>")
    while True:
        link = name(chance, "link")
        before, after = _sentence(chance), _sentence(chance)
        yield Line(f'<p>{before} See <a href="{link}">{phrase(chance, 24)}</a>. {after}</p>', link)


def _tests(chance: Random) -> Iterator[Line]:
    module = pick(chance, NOUNS)
    yield Line(f"collected {below(chance, 900) + 10} items, seed {below(chance, 10**6)}\n")
    while True:
        symbol = name(chance, "symbol")
        where = f"tests/test_{module}.py::test_{symbol}"
        if chance.random() < 0.8:
            yield Line(f"{where} PASSED [{below(chance, 101):>3}%]", symbol)
            continue
        left, right = below(chance, 100), below(chance, 100)
        lines = [
            f"{where} FAILED",
            f"    def test_{symbol}() -> None:",
            f'>       assert {symbol}("{pick(chance, NOUNS)}") == {left}',
            f"E       AssertionError: assert {right} == {left}",
            f"tests/test_{module}.py:{below(chance, 700)}: AssertionError",
        ]
        yield from _block(lines, symbol)


def _matches(chance: Random) -> Iterator[Line]:
    word = pick(chance, VERBS)
    while True:
        path, noun = name(chance, "path"), pick(chance, NOUNS)
        found = f"{noun} = self.{word}({noun}, {pick(chance, ADJECTIVES)}=True)"
        yield Line(f"{path}:{below(chance, 900)}:    {found}", path)


def _dump(chance: Random) -> Iterator[Line]:
    yield Line(f"{pick(chance, NOUNS)}:     file format elf64-x86-64\n\nDisassembly of section .text:\n")
    while True:
        address = name(chance, "address")
        raw = " ".join(f"{below(chance, 256):02x}" for _ in range(2 + below(chance, 6)))
        operation, register = pick(chance, OPERATIONS), pick(chance, REGISTERS)
        yield Line(f"  {address}:\t{raw:<21}\t{operation:<6} {register},0x{below(chance, 65536):x}", address)


def _prose(chance: Random) -> Iterator[Line]:
    while True:
        if chance.random() < 0.85:
            yield Line(_sentence(chance))
            continue
        path = name(chance, "path")
        yield Line(f"What was agreed on this stands in {path}.", path)


def _thought(chance: Random) -> Iterator[Line]:
    while True:
        yield Line(_sentence(chance, THOUGHTS))


def _failure(chance: Random) -> Iterator[Line]:
    yield Line(f"{pick(chance, FAILURES)[0].upper()}Error: {pick(chance, FAILURES)}\nTraceback, latest call last:")
    while True:
        path = name(chance, "path")
        where = f'  File "{path}", line {below(chance, 900)}, in {name(chance, "symbol")}'
        yield Line(f"{where}\n    {pick(chance, NOUNS)} = {pick(chance, VERBS)}({pick(chance, NOUNS)})", path)


def _block(lines: Sequence[str], named: str) -> Iterator[Line]:
    """Give lines that belong together, so that a text can end between any two of them."""
    for line in lines:
        yield Line(line, named if named in line else "")


def _sentence(chance: Random, patterns: Sequence[str] = PATTERNS) -> str:
    return pick(chance, patterns).format(
        a=pick(chance, ADJECTIVES),
        n=pick(chance, NOUNS),
        m=pick(chance, NOUNS),
        v=pick(chance, VERBS),
        p=pick(chance, PEOPLE)[0],
        c=below(chance, 90) + 2,
    )


def _day(chance: Random) -> str:
    return f"{2023 + below(chance, 4)}-{below(chance, 12) + 1:02d}-{below(chance, 28) + 1:02d}"


def _time(chance: Random) -> str:
    return f"{below(chance, 24):02d}:{below(chance, 60):02d}"


FORMS: dict[FormName, Form] = {
    "listing": Form(_listing, "path"),
    "records": Form(_records, "record", "[\n", ",\n", "\n]\n"),
    "table": Form(_table, "record"),
    "log": Form(_log, "path"),
    "python": Form(_python, "symbol"),
    "java": Form(_java, "symbol", tail="\n}\n"),
    "page": Form(_page, "link", "<!doctype html>\n<html>\n<head>\n", tail="\n</main>\n</body>\n</html>\n"),
    "tests": Form(_tests, "symbol"),
    "matches": Form(_matches, "path"),
    "dump": Form(_dump, "address"),
    "prose": Form(_prose, "path", joint=" ", tail=""),
    "thought": Form(_thought, "path", joint=" ", tail=""),
    "failure": Form(_failure, "path"),
}
