"""What changed on a page is told whole, and nothing else is."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from workhand.browser.delta import delta, shorter
from workhand.browser.snapshot import Line, Snapshot, written
from workhand.core.browsing import Node


def page(*lines: tuple[int, Node]) -> Snapshot:
    return Snapshot(tuple(Line(depth, node) for depth, node in lines))


GO, FIELD = Node("button", "Go", ref="e1"), Node("textbox", "Name", ref="e2")
NODES = st.builds(
    Node,
    st.sampled_from(["button", "main"]),
    st.sampled_from("ab"),
    st.sampled_from(["", "v"]),
    ref=st.sampled_from(["", "e1", "e2"]),
)
PAGES = st.lists(NODES, max_size=8).map(lambda nodes: page(*((0, node) for node in nodes)))


def test_additions_stand_below_what_they_are_in_and_changes_are_marked() -> None:
    before = page((0, Node("main")), (1, GO), (1, FIELD))
    after = page((0, Node("main")), (1, Node("textbox", "Name", "Ada", ref="e2")), (1, Node("text", value="new")))
    assert delta(before, after) == (
        '-   button "Go" [ref=e1]',
        "  main",
        '*   textbox "Name" [ref=e2]: Ada',
        "+   text: new",
    )


@settings(deadline=None)
@given(PAGES)
def test_a_page_that_is_the_same_has_not_changed(same: Snapshot) -> None:
    assert delta(same, same) == ()


@settings(deadline=None)
@given(PAGES, PAGES)
def test_every_line_that_came_or_went_is_told_and_no_other(before: Snapshot, after: Snapshot) -> None:
    old, new = (Counter(written(line.node) for line in each.lines) for each in (before, after))
    told = delta(before, after)
    came = Counter(line[2:] for line in told if line[0] in "+*")
    assert came == new - old
    gone = Counter(line[2:] for line in told if line[0] == "-")
    present = {line.node.ref for line in after.lines} - {""}
    lost = old - new
    changed = Counter({text: count for text, count in lost.items() if any(f"ref={ref}]" in text for ref in present)})
    assert gone == lost - changed


def test_changes_that_are_no_less_to_read_than_the_page_are_not_shorter() -> None:
    whole = page(*((0, Node("text", value=f"line {number}")) for number in range(9)))
    assert shorter(delta(page(), page((0, GO))), whole)
    assert not shorter(delta(page(), whole), whole)
