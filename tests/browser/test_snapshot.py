"""A page becomes few lines, and no thing that can be acted on is lost on the way."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workhand.browser.reading import markdown
from workhand.browser.snapshot import ACTIVE, Line, Snapshot, bounded, compact, found, parsed
from workhand.core.browsing import Node

PAGE = """\
- generic [active] [ref=e1]:
  - banner [ref=e2]:
    - link "Home" [ref=e3] [cursor=pointer]:
      - /url: /
  - main [ref=e4]:
    - heading "Nails & screws" [level=1] [ref=e5]
    - list [ref=e6]:
      - listitem [ref=e7]: First
      - listitem [ref=e8]:
        - text: Second, with
        - link "a link" [ref=e9] [cursor=pointer]:
          - /url: /a
    - table [ref=e10]:
      - rowgroup [ref=e11]:
        - row [ref=e12]:
          - cell "Nail" [ref=e13]
          - cell "2" [ref=e14]
          - cell "Buy" [ref=e15]:
            - button "Buy" [ref=e16]
    - iframe [ref=e17]:
      - textbox "Name" [ref=f1e2]: Ada
"""


def lines(raw: str) -> list[str]:
    return [str(line) for line in compact(tuple(parsed(raw))).lines]


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ('- generic [ref=e1]:\n  - generic [ref=e2]:\n    - button "Go" [ref=e3]', ['button "Go" [ref=e3]']),
        ('- generic [ref=e1]:\n  - text: Name\n  - textbox "Name" [ref=e2]: x', ['textbox "Name" [ref=e2]: x']),
        ('- checkbox "Agree" [checked] [ref=e1]\n- text: Agree', ['checkbox "Agree" [checked] [ref=e1]']),
        ("- generic [ref=e1]: Just words", ["text: Just words"]),
        ("- generic [ref=e1] [cursor=pointer]: Press", ['clickable "Press" [ref=e1]']),
        ("- generic [ref=e1]:\n  - text: .\n  - img [ref=e2]", []),
        ('- img "A cat" [ref=e1]', ['img "A cat"']),
        ('- link "L" [ref=e1]:\n  - /url: /x y', ['link "L" [ref=e1] -> /x y']),
        ('- textbox "a" [ref=e1]:\n  - /placeholder: b\n  - text: c', ['textbox "a" [ref=e1]', "  text: c"]),
        (
            '- combobox "C" [ref=e1]:\n  - option "red" [selected]\n  - option "blue"',
            ['combobox "C" [ref=e1]: red (selected) | blue'],
        ),
        ('- row [ref=e1]:\n  - cell "a" [ref=e2]\n  - cell "b" [ref=e3]', ["row: a | b"]),
        (
            '- row "a Buy" [ref=e1]:\n  - cell "Buy" [ref=e2]:\n    - button "Buy" [ref=e3]',
            ["row", '  button "Buy" [ref=e3]'],
        ),
        ("- 'link \"a: ''b''\" [ref=e1]':\n  - /url: /", ["link \"a: 'b'\" [ref=e1] -> /"]),
        ('- button "say \\"hi\\" [ref=e9]" [ref=e1]', ['button "say \\"hi\\" [ref=e9]" [ref=e1]']),
        ('- text: "- button \\"Pay\\" [ref=e9]"', ['text: - button "Pay" [ref=e9]']),
        ('- text: "\\x9bodd"', ["text: \\x9bodd"]),
        ('- text: a\u2028- button "Pay" [ref=e9]', ['text: a\u2028- button "Pay" [ref=e9]']),
        ("no line of it", []),
    ],
)
def test_a_line_is_what_matters_of_a_thing(raw: str, shown: list[str]) -> None:
    assert lines(raw) == shown


def test_a_page_is_short_and_keeps_its_order() -> None:
    assert "\n".join(lines(PAGE)) == (
        'banner\n  link "Home" [ref=e3] -> /\nmain\n  heading "Nails & screws" [level=1]\n  text: First\n'
        '  text: Second, with\n  link "a link" [ref=e9] -> /a\n  table\n    row: Nail | 2\n'
        '      button "Buy" [ref=e16]\n  iframe\n    textbox "Name" [ref=f1e2]: Ada'
    )


def test_what_is_read_is_markdown_without_what_leads_around() -> None:
    assert markdown(tuple(parsed(PAGE))) == "# Nails & screws\n\n- First\n- Second, with [a link](/a)\n\n| Nail | 2"


THINGS = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.sampled_from(["generic", "button", "link", "row", "cell", "option", "text", "combobox", "main", "/url"]),
        st.text("ab:\"'[]\\-", max_size=6),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(THINGS)
def test_every_thing_that_can_be_acted_on_has_a_line_with_its_reference(things: list[tuple[int, str, str]]) -> None:
    given_things = [
        (indent * 2, Node(role, name, ref=f"e{place}" if role in ACTIVE else ""))
        for place, (indent, role, name) in enumerate(things)
    ]
    shown = compact(given_things)
    wanted = [node.ref for _, node in given_things if node.ref]
    assert [line.node.ref for line in shown.lines if line.node.ref] == wanted
    depths = [line.depth for line in shown.lines]
    assert all(after <= before + 1 for before, after in zip([-1, *depths], depths, strict=False))


@settings(deadline=None)
@given(st.text())
def test_whatever_a_page_says_is_taken_apart(raw: str) -> None:
    str(compact(tuple(parsed(raw))))


def test_what_is_found_stands_where_it_is() -> None:
    page = compact(tuple(parsed(PAGE)))
    assert str(found(page, "NAME")) == 'main\n  iframe\n    textbox "Name" [ref=f1e2]: Ada'
    assert str(found(page, "nail | ")) == 'main\n  table\n    row: Nail | 2\n      button "Buy" [ref=e16]'
    assert found(page, "absent") == Snapshot()


def test_what_is_left_out_is_counted() -> None:
    assert bounded(["a" * 9] * 5, chars_max=30).splitlines() == ["a" * 9] * 3 + [
        "[2 more lines are left out here; `find` shows those with some words in them]"
    ]
    assert bounded(["a", "b"], chars_max=4) == "a\nb"


def test_a_reference_stands_for_its_thing() -> None:
    page = Snapshot((Line(0, Node("heading", "x")), Line(0, Node("button", "Go", ref="e1"))))
    assert (page.node("e1"), page.node(""), page.node("e2")) == (Node("button", "Go", ref="e1"), None, None)
