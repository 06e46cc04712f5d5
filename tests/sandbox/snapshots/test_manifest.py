"""Manifests: what lies between two of them, what they are called, and what of others' is believed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workhand.errors import SandboxError
from workhand.sandbox.snapshots.manifest import (
    ROOT,
    Change,
    Manifest,
    Node,
    applied,
    decode,
    decode_change,
    difference,
    encode,
    encode_change,
    hidden,
    name_of,
    parent_of,
)

NAME = st.sampled_from(["a", "b", "\udcff", "a\nb"])
TEXT = st.text(alphabet="ab\udcff\n", max_size=3)
LEAF = st.one_of(
    st.builds(Node, st.just("file"), st.integers(0, 0o1777), st.integers(0, 9), st.integers(-5, 5), TEXT),
    st.builds(Node, st.just("link"), content=st.text(alphabet="ab/.\udcff", max_size=3)),
)
DIRECTORY = st.builds(Node, st.just("directory"), st.integers(0, 0o1777))


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    found = {ROOT: draw(DIRECTORY)}
    for path in sorted(draw(st.sets(st.lists(NAME, min_size=1, max_size=3).map("/".join), max_size=12))):
        above = found.get(parent_of(path))
        if above is not None and above.kind == "directory":
            found[path] = draw(st.one_of(DIRECTORY, LEAF))
    return found


@given(before=manifests(), after=manifests())
def test_a_difference_turns_one_manifest_into_the_other(before: Manifest, after: Manifest) -> None:
    assert applied(difference(before, after), before) == after


@given(before=manifests(), after=manifests())
def test_a_change_names_every_directory_above_what_it_touches(before: Manifest, after: Manifest) -> None:
    change = difference(before, after)
    touched = {parent_of(path) for path in (*change.put, *hidden(change, after)) if path != ROOT}
    assert touched <= {path for path, node in change.put.items() if node.kind == "directory"}


@given(manifest=manifests())
def test_equal_manifests_have_nothing_between_them(manifest: Manifest) -> None:
    assert difference(manifest, dict(reversed(list(manifest.items())))) == Change({}, ())


@given(one=manifests(), other=manifests())
def test_names_are_equal_exactly_when_manifests_are(one: Manifest, other: Manifest) -> None:
    assert (name_of(one) == name_of(other)) == (one == other)


@given(before=manifests(), after=manifests())
def test_what_was_written_is_read_again(before: Manifest, after: Manifest) -> None:
    change = difference(before, after)
    assert (decode(encode(after)), decode_change(encode_change(change))) == (after, change)


@pytest.mark.parametrize(
    "rows",
    [
        {},
        [],
        {"": ["file", 0, 0, 0, ""]},
        {"": ["directory", 0o2755, 0, 0, ""]},
        {"": ["directory", -1, 0, 0, ""]},
        {"": ["door", 0, 0, 0, ""]},
        {"": ["directory", 0, 0, 0]},
        {"": None},
        *(
            {"": ["directory", 0, 0, 0, ""], path: ["file", 0, 0, 0, ""]}
            for path in ("..", "a/../b", "/a", "a/", "a//b", ".", "a\0", "missing/a")
        ),
        {"": ["directory", 0, 0, 0, ""], "a": ["link", 0, 0, 0, "/etc"], "a/b": ["file", 0, 0, 0, ""]},
        {"": ["directory", 0, 0, 0, ""], "a": ["file", 0, -1, 0, ""]},
        {"": ["directory", 0, 0, 0, ""], "a": ["link", 0, 0, 0, "a\0"]},
    ],
)
def test_a_manifest_that_no_workspace_has_is_refused(rows: object) -> None:
    with pytest.raises(SandboxError):
        decode(json.dumps(rows).encode())


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", b'{"put": [], "gone": []}', b'{"put": {}, "gone": [1]}', b"\xff"])
def test_a_change_that_cannot_be_read_is_refused(raw: bytes) -> None:
    with pytest.raises(SandboxError):
        decode_change(raw)
