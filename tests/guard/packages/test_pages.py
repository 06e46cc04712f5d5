"""What an index says of a project is read with distrust, and written anew."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from workhand.guard.packages import pages
from workhand.guard.packages.pages import HTML_TYPE, JSON_TYPE, Offered, Unreadable
from workhand.sandbox.spec import PACKAGES_PORT

PAGE = "https://index.example/projects/thing/"
DOOR = f"http://127.0.0.1:{PACKAGES_PORT}"
DIGEST, OTHER = "a" * 64, "b" * 64
WHEEL = "thing-1.0-py3-none-any.whl"


def stated(filename: str = WHEEL, more: Mapping[str, object] | None = None) -> dict[str, object]:
    return {"filename": filename, "url": f"../../{filename}", "hashes": {"sha256": DIGEST}, **(more or {})}


def read(*files: object, sdists: bool = False) -> tuple[Offered, ...]:
    return pages.read(json.dumps({"files": files}).encode(), JSON_TYPE, PAGE, "thing", sdists=sdists)


def read_html(content: str) -> tuple[Offered, ...]:
    return pages.read(content.encode(), HTML_TYPE, PAGE, "thing", sdists=False)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("Thing.Of_Mine", "thing-of-mine"),
        ("a", "a"),
        ("", ""),
        ("../../etc", ""),
        ("-x", ""),
        ("é", ""),
        ("x" * 101, ""),
    ],
)
def test_a_project_has_one_name_or_none(name: str, form: str) -> None:
    assert pages.normal(name) == form


@pytest.mark.parametrize(
    "filename",
    [
        "../../etc/passwd",
        "../thing-1.0-py3-none-any.whl",
        "thing-1.0-py3-none-any.whl\n",
        "thing-1.0-py3-none-any.whl\x00",
        "thing-1.0.whl",
        "thing--py3-none-any.whl",
        ".thing-1.0-py3-none-any.whl",
        "other-1.0-py3-none-any.whl",
        "thing-extra-1.0-py3-none-any.exe",
        "thing-1.0.tar.gz",
        "x" * 300 + ".whl",
    ],
)
def test_a_file_that_is_not_named_as_a_wheel_of_the_project_is_left_out(filename: str) -> None:
    assert read(stated(filename), stated()) == read(stated())


def test_sources_are_offered_if_they_are_wanted() -> None:
    names = [each.filename for each in read(stated("thing-1.0.tar.gz"), stated("thing-more-1.0.zip"), sdists=True)]
    assert names == ["thing-1.0.tar.gz"]


@pytest.mark.parametrize("hashes", [{}, {"md5": DIGEST}, {"sha256": "short"}, {"sha256": None}])
def test_a_file_without_a_digest_is_left_out(hashes: object) -> None:
    assert read(stated(more={"hashes": hashes})) == ()


def test_what_a_page_says_of_a_file_is_the_same_in_both_forms() -> None:
    more = {"requires-python": ">=3.9", "core-metadata": {"sha256": OTHER}, "yanked": "broken"}
    html = (
        f'<a href="../../{WHEEL}#sha256={DIGEST}" data-requires-python="&gt;=3.9" data-yanked="broken" '
        f'data-core-metadata="sha256={OTHER}">any</a><a href="x.whl">no digest</a><a>nothing</a>'
    )
    expected = (Offered(WHEEL, DIGEST, f"https://index.example/{WHEEL}", ">=3.9", OTHER, yanked=True),)
    assert (read(stated(more=more)), read_html(html)) == (expected, expected)


@pytest.mark.parametrize("said", [True, "yes", {"sha256": "x"}, {"md5": DIGEST}, None, []])
def test_metadata_without_a_digest_is_none(said: object) -> None:
    assert read(stated(more={"core-metadata": said}))[0].metadata_sha256 == ""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"files": {}}',
        b'{"files": [1]}',
        b'{"files": [{}]}',
        b'{"files": [{"hashes": []}]}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_broken_page_is_unreadable(content: bytes) -> None:
    with pytest.raises(Unreadable):
        pages.read(content, JSON_TYPE, PAGE, "thing", sdists=False)


def test_a_page_of_anything_else_offers_nothing() -> None:
    assert read_html("<html>Please log in<a href='/login'>here</a>") == ()
    with pytest.raises(Unreadable):
        read_html('<a href="http://[#sha256=">x</a>')


def test_no_more_files_are_read_than_may_be() -> None:
    many = [stated(f"thing-{number}-py3-none-any.whl") for number in range(pages.FILES_MAX + 1)]
    assert len(read(*many)) == pages.FILES_MAX


def test_of_two_files_of_one_name_the_first_counts() -> None:
    assert [each.sha256 for each in read(stated(), stated(more={"hashes": {"sha256": OTHER}}))] == [DIGEST]


def test_what_is_written_has_all_files_come_through_us_and_can_be_read_again() -> None:
    more = {"requires-python": '>=3.9"<b>\ud800é', "core-metadata": {"sha256": OTHER}, "yanked": ""}
    files = read(stated(more=more))
    for accept in (JSON_TYPE, "text/html"):
        kind, content = pages.written("thing", files, accept)
        again = pages.read(content, kind, f"{DOOR}/projects/thing/", "thing", sdists=False)
        expected = f"{DOOR}/files/{DIGEST}/{WHEEL}"
        assert again == (Offered(WHEEL, DIGEST, expected, '>=3.9"<b>', OTHER, yanked=True),)
        assert b"index.example" not in content
