"""Documents that mean harm, or are damaged: each ends in one sentence, within what it may cost."""

from __future__ import annotations

import bz2
import gzip
import io
import random
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.programs import needs
from tests.utilities.documents import docx, epub, mail, notebook, odf, paragraph, pdf, pptx, shape, taped, xlsx, zipped
from workhand.utilities.budget import Budget, Limits, OverBudget, Unreadable
from workhand.utilities.extract import limited, read
from workhand.utilities.reading.source import Source

LIMITS = Limits(
    document_bytes_max=16 << 20,
    unpacked_bytes_max=1 << 20,
    members_max=50,
    elements_max=5_000,
    pages_max=20,
    output_bytes_max=100_000,
    time_s=20.0,
)
UNPACKED = "It unpacks to more than 1 MB, so the rest was not read."
MEMBERS = "It has more than 50 members, so the rest was not read."
ELEMENTS = "It has more than 5,000 elements, so the rest was not read."
LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'
    "<d><body>&c;</body></d>"
)


def extracted(content: bytes, name: str = "a", members: tuple[str, ...] = ()) -> tuple[str, str | None]:
    return read(Source(name, io.BytesIO(content), Budget(LIMITS), members=members))


def quine() -> bytes:
    """Make an archive with an archive inside, as deep as it is asked for."""
    content = zipped({"r.zip": b"PK\x05\x06" + bytes(18)})
    for _ in range(5):
        content = zipped({"r.zip": content})
    return content


def bomb() -> bytes:
    return zipped({"big.txt": bytes(4 << 20), "small.txt": b"a"})


def nested(depth: int) -> str:
    return "<w:sdt>" * depth + "</w:sdt>" * depth


@pytest.mark.parametrize(
    ("make", "name", "members", "sentence"),
    [
        (bomb, "a.zip", ("*",), UNPACKED),
        (lambda: gzip.compress(bytes(4 << 20)), "a.gz", (), UNPACKED),
        (lambda: bz2.compress(bytes(4 << 20)), "a.bz2", (), UNPACKED),
        (lambda: taped({"a": bytes(4 << 20)}), "a.tgz", (), UNPACKED),
        (lambda: docx(f"<w:p>{' ' * (2 << 20)}</w:p>"), "a", (), UNPACKED),
        (lambda: zipped({f"{n}": "" for n in range(60)}), "a", (), MEMBERS),
        (lambda: taped({f"{n}": b"" for n in range(60)}), "a", (), MEMBERS),
        (lambda: b"From a\n\n" * 60, "a.mbox", (), MEMBERS),
        (lambda: docx(nested(200)), "a", (), "Its elements lie more than 120 deep in one another, so it was not read."),
        (lambda: docx(paragraph("a") * 5_000), "a", (), ELEMENTS),
        (lambda: xlsx({"S": "<row><c><v>1</v></c></row>" * 2_000}), "a", (),
         ELEMENTS),
        (lambda: b"<!doctype html>" + b"<p>" * 6_000, "a", (), ELEMENTS),
        (lambda: b"a,b\n" * 3_000, "a.csv", (), ELEMENTS),
        (lambda: b"a" * 200_000, "a.txt", (), "It is more than 0 MB of Markdown, so the rest was not read."),
        (lambda: b"a" * (17 << 20), "a.txt", (), "It has more than 16 MB, so it was not read."),
        (lambda: zipped({"word/document.xml": LAUGHS, "[Content_Types].xml": ""}), "a", (),
         "Its XML declares the entity 'a', which could grow without end, so it was not read."),
    ],
)  # fmt: skip
def test_what_grows_without_end_is_stopped_with_one_sentence(
    make: Callable[[], bytes], name: str, members: tuple[str, ...], sentence: str
) -> None:
    text, stopped = extracted(make(), name, members)
    assert stopped == sentence
    assert text.endswith(f"[stopped: {sentence}]\n")


def test_what_was_read_before_the_limit_is_given() -> None:
    text, _ = extracted(zipped({"a.txt": b"first", "b.txt": bytes(4 << 20)}), members=("*",))
    assert text.startswith("## a.txt\n\nfirst\n\n## b.txt\n\n[stopped")


def test_an_archive_that_holds_itself_is_listed_and_no_more() -> None:
    text, stopped = extracted(quine(), "r.zip", ("*",))
    assert stopped is None
    assert text.startswith("## r.zip\n\n| member | bytes | date |\n")
    assert text.count("r.zip") == 2


def test_time_and_memory_have_an_end() -> None:
    with pytest.raises(OverBudget, match=r"It takes longer than 0.01 s to read."), limited(Limits(time_s=0.01)):
        while True:
            pass
    with pytest.raises(MemoryError), limited(Limits()):
        bytearray(8 << 30)


def test_a_page_nested_without_end_is_read_flat() -> None:
    text, stopped = extracted(b"<!doctype html>" + b"<div>" * 2_000 + b"deep" + b"</div>" * 2_000 + b"<p>after")
    assert (text, stopped) == ("deep\n\nafter\n", None)


@pytest.mark.parametrize("tag", ["ul", "table", "blockquote", "b", "a", "dl", "pre", "td"])
def test_elements_of_any_kind_may_be_nested_too_deep(tag: str) -> None:
    text, _ = extracted(b"<!doctype html>" + f"<{tag}>".encode() * 2_000 + b"<li>deep")
    assert "deep" in text


def test_json_nested_without_end_is_shown_as_it_stands() -> None:
    assert extracted(b"[" * 100_000, "a.json")[1] == "It is more than 0 MB of Markdown, so the rest was not read."
    assert extracted(b"[" * 90_000, "a.json")[0].startswith("```json\n[[[")
    with pytest.raises(Unreadable, match="cannot be read as ipynb"):
        extracted(b"[" * 90_000, "a.ipynb")


def test_groups_of_rich_text_are_not_nested_without_end() -> None:
    with pytest.raises(Unreadable, match="more than 10,000 deep"):
        extracted(rb"{\rtf1" + b"{" * 20_000)


def test_a_cell_that_is_repeated_a_million_times_is_repeated_less() -> None:
    cell = '<table:table-cell table:number-columns-repeated="1000000"><text:p>a</text:p></table:table-cell>'
    row = f'<table:table-row table:number-rows-repeated="1000000">{cell}</table:table-row>'
    text, stopped = extracted(odf(f"<table:table>{row}</table:table>"))
    assert stopped == "It is more than 0 MB of Markdown, so the rest was not read."
    assert len(text) < 200


@needs("pdftotext", package="poppler-utils")
def test_a_pdf_of_a_hundred_thousand_pages_is_read_in_parts() -> None:
    text, stopped = extracted(pdf(count=100_000))
    assert stopped == "It has 100,000 pages, and at most 20 are read at once; choose some with --pages 1-20."
    assert text == f"[stopped: {stopped}]\n"


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        (b"", "a", "a: It is empty."),
        (bytes(range(256)), "a", "a: It is no text and no document of a kind that is read here"),
        (b"PK\x03\x04 damaged", "a.docx", "a.docx: It is a damaged zip archive"),
        (zipped({"[Content_Types].xml": "", "word/document.xml": "<a>"}), "a", "a: Its XML is damaged"),
        (zipped({"[Content_Types].xml": "", "word/a": ""}), "a", "a: It has no part 'word/document.xml'"),
        (zipped({"[Content_Types].xml": "", "word/document.xml": "<a/>"}), "a", "a: It has no text in its main part"),
        (xlsx({"S": '<row><c t="s"><v>9</v></c></row>'}), "a", "a: A cell names the text '9'"),
        (b"[1]", "a.ipynb", "a.ipynb: It is JSON, but no notebook."),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.bin", "a.bin: It is of an older office program"),
        (gzip.compress(b"a" * 1000, mtime=0)[:-20], "a.gz", "a.gz: It cannot be read as packed, so it is damaged"),
        (gzip.compress(gzip.compress(b"a", mtime=0), mtime=0), "a.gz", "a.gz: It is an archive in a packed file"),
    ],
)
def test_what_cannot_be_read_says_why_in_one_sentence(content: bytes, name: str, sentence: str) -> None:
    with pytest.raises(Unreadable, match=sentence):
        extracted(content, name)


def test_a_member_under_a_password_is_left_out_with_its_reason() -> None:
    content = bytearray(zipped({"a.txt": "a", "b.txt": "b"}))
    for place in (6, content.index(b"PK\x01\x02") + 8):  # the flag, in the member and in the directory
        content[place] |= 1
    text, _ = extracted(bytes(content), members=("*",))
    assert "## a.txt\n\n[not read: " in text
    assert text.endswith("## b.txt\n\nb\n")


WHOLE = {
    "a.docx": docx(paragraph("text") * 3, styles="", numbering=""),
    "a.xlsx": xlsx({"S": '<row r="1"><c r="A1"><v>1</v></c></row>'}, strings="<si><t>a</t></si>"),
    "a.pptx": pptx(shape("title", "a"), notes="n"),
    "a.odt": odf("<text:p>a</text:p>"),
    "a.epub": epub("<p>a</p>"),
    "a.ipynb": notebook({"cell_type": "code", "source": "a", "outputs": [{"data": {"text/plain": "x"}}]}),
    "a.eml": mail("body", attached={"x.csv": b"a,b"}),
    "a.tgz": taped({"a.txt": b"text"}),
    "a.zip": zipped({"a.txt": b"text"}),
    "a.html": b"<html><table><tr><td>a<td>b</table><ul><li>a</ul>",
    "a.rtf": rb"{\rtf1\ansi {\b text}\'e9\u233?\par}",
    "a.csv": b"a,b\n1,2\n",
}


@settings(deadline=None, max_examples=150)
@given(name=st.sampled_from(sorted(WHOLE)), seed=st.integers(0, 1 << 30), count=st.integers(1, 20))
def test_a_damaged_document_is_read_or_refused_and_nothing_else(name: str, seed: int, count: int) -> None:
    chance = random.Random(seed)
    content = bytearray(inside_out(WHOLE[name]) if chance.random() < 0.5 else WHOLE[name])
    for _ in range(count):
        content[chance.randrange(len(content))] = chance.randrange(256)
    if chance.random() < 0.3:
        del content[chance.randrange(len(content)) :]
    try:
        extracted(bytes(content), name, ("*",))
    except Unreadable as error:
        assert "\n" not in str(error)


def inside_out(content: bytes) -> bytes:
    """Store the parts of a zip unpacked, so that damage reaches the XML and not only the packing."""
    if not content.startswith(b"PK"):
        return content
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as have, zipfile.ZipFile(out, "w") as made:
        for each in have.namelist():
            made.writestr(each, have.read(each))
    return out.getvalue()
