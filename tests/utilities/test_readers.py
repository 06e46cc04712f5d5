"""What each kind of document becomes, compared whole."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma

import pytest

from tests.programs import needs
from tests.utilities.documents import (
    docx,
    epub,
    mail,
    notebook,
    odf,
    paragraph,
    pdf,
    pptx,
    shape,
    taped,
    xlsx,
    zipped,
)  # fmt: skip
from workhand.utilities.budget import Budget, Unreadable
from workhand.utilities.extract import read
from workhand.utilities.reading.source import Pages, Source


def markdown(content: bytes, name: str = "a", *, pages: Pages | None = None, members: tuple[str, ...] = ()) -> str:
    source = Source(name, io.BytesIO(content), Budget(), "", pages or Pages(), members)
    text, stopped = read(source)
    assert stopped is None
    return text


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<h1>A  b</h1><h3>c</h3><p>d\n e", "# A b\n\n### c\n\nd e\n"),
        ("<p>a <b>b </b>c <i><b>d</b></i> <code>e|f</code> <b></b><b><b>g</b></b>", "a **b** c **d** `e|f` **g**\n"),
        ("<p><a href='/x'>a\n b</a> <a href='#y'>c</a> <a href='https://z/'>https://z/</a><a href='#z'>¶</a>",
         "[a b](/x) c <https://z/>\n"),
        ("<ul><li>a<li>b<ol><li>c<li><p>d<p>e</ol><li>f</ul>", "- a\n- b\n  1. c\n  2. d\n\n     e\n- f\n"),
        ("<table><tr><th>A<th>B<tr><td>1|2<td>3<br>4</table>", "| A | B |\n| --- | --- |\n| 1\\|2 | 3 4 |\n"),
        ("<table><tr><td><p>a<p>b</table>", "a\n\nb\n"),
        ("<table><tr><td><table><tr><td>1<td>2</table><td>b</table>", "| 1 | 2 |\n| --- | --- |\n\nb\n"),
        ("<pre><code class='language-python'>if a:\n    b ``` c\n</code></pre>",
         "````python\nif a:\n    b ``` c\n````\n"),
        ("<blockquote><p>a<p>b</blockquote><hr>c", "> a\n>\n> b\n\n---\n\nc\n"),
        ("<dl><dt>a<dd>b<dt>c<dd>d</dl>", "**a**\n\nb\n\n**c**\n\nd\n"),
        ("a<br> b &amp; &eacute; <img alt='c' src='d.png'><img src='e'>", "a\nb & é ![c](d.png)\n"),
        ("<nav>n</nav><div>a</div><aside>s</aside><footer>f</footer>", "a\n"),
        ("<div>x</div><main><nav>n</nav><p>a a a a</main>", "n\n\na a a a\n"),
        ("<p>a<span hidden>b</span><span style='display: none'>c</span><script>d</script><p aria-hidden=true>e", "a\n"),
        ("<title>T</title><p>a", "# T\n\na\n"),
        ("<a href='/x'><div>a</div><div>b</div></a>", "[a b](/x)\n"),
        ("<p>a</td></div>b", "ab\n"),
    ],
)  # fmt: skip
def test_a_page_becomes_its_main_content(page: str, text: str) -> None:
    assert markdown(f"<!doctype html>{page}".encode()) == text


def test_a_document_of_word_keeps_headings_lists_tables_links_and_notes() -> None:
    body = (
        paragraph("Title", '<w:pStyle w:val="H"/>')
        + "<w:p><w:r><w:t>See </w:t></w:r><w:hyperlink r:id='link'><w:r><w:t>here</w:t></w:r></w:hyperlink>"
        "<w:r><w:rPr><w:b/></w:rPr><w:t> bo</w:t></w:r><w:r><w:rPr><w:b/></w:rPr><w:t>ld</w:t></w:r>"
        "<w:r><w:footnoteReference w:id='2'/></w:r>"
        "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:ins><w:r><w:t> new</w:t></w:r></w:ins></w:p>"
        + "".join(
            paragraph(text, f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{id}"/></w:numPr>')
            for text, level, id in (("a", 0, 1), ("b", 0, 1), ("c", 1, 1), ("d", 0, 1), ("e", 0, 2))
        )
        + "<w:tbl><w:tr><w:tc>" + paragraph("A") + "</w:tc><w:tc>" + paragraph("B") + "</w:tc></w:tr>"
        "<w:tr><w:tc>" + paragraph("1") + paragraph("2") + "</w:tc><w:tc/></w:tr></w:tbl>"
        "<w:p><w:r><AlternateContent><Choice><w:txbxContent>" + paragraph("boxed") + "</w:txbxContent></Choice>"
        "<Fallback><w:txbxContent>" + paragraph("boxed") + "</w:txbxContent></Fallback></AlternateContent></w:r></w:p>"
    )  # fmt: skip
    styles = (
        '<w:style w:styleId="H"><w:basedOn w:val="G"/></w:style>'
        '<w:style w:styleId="G"><w:name w:val="heading 2"/></w:style>'
    )
    level = '<w:lvl w:ilvl="0"><w:numFmt w:val="decimal"/></w:lvl>'
    list_of_level = f'<w:abstractNum w:abstractNumId="7">{level}</w:abstractNum>'
    numbering = list_of_level + '<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num>'
    notes = f'<w:footnote w:id="2">{paragraph("The note.")}</w:footnote>'
    comments = f'<w:comment w:id="0" w:author="Ann">{paragraph("Why?")}</w:comment>'
    content = docx(body, styles=styles, numbering=numbering, footnotes=notes, comments=comments)
    assert markdown(content) == (
        "## Title\n\nSee [here](https://example.org/a) **bold**[^f2] new\n\n1. a\n2. b\n  - c\n3. d\n- e\n\n"
        "| A | B |\n| --- | --- |\n| 1 2 |  |\n\nboxed\n\n[^f2]: The note.\n\n> Comment by Ann: Why?\n"
    )


def test_a_workbook_shows_values_as_a_person_sees_them() -> None:
    styles = (
        '<numFmts><numFmt numFmtId="200" formatCode="yyyy\\-mm\\-dd hh:mm"/>'
        '<numFmt numFmtId="201" formatCode="0 &quot;days&quot;"/></numFmts>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="200"/><xf numFmtId="10"/>'
        '<xf numFmtId="201"/></cellXfs>'
    )
    strings = "<si><t>name</t></si><si><r><t>ri</t></r><r><t>ch</t></r><rPh><t>x</t></rPh></si>"
    row = "".join(
        [
            '<c r="A2" t="s"><v>1</v></c><c r="B2" s="1"><v>45000</v></c><c r="C2" s="2"><v>45000.75</v></c>',
            '<c r="D2" s="3"><v>0.125</v></c><c r="E2" s="4"><v>3.10</v></c><c r="F2" t="b"><v>1</v></c>',
            '<c r="G2"><f>A1+1</f></c><c r="H2" t="inlineStr"><is><t>in</t></is></c><c r="I2" t="e"><v>#N/A</v></c>',
        ]
    )
    first = f'<row r="1"><c r="A1" t="s"><v>0</v></c><c r="XFD1"><v>7</v></c></row><row r="2">{row}</row><row r="9"/>'
    content = xlsx({"One": first, "Two": "<row><c><v>1</v></c><c><v>2</v></c></row>"}, strings=strings, styles=styles)
    assert markdown(content) == (
        "## One\n\n| name |  |  |  |  |  |  |  |  | 7 |\n|" + " --- |" * 10 + "\n"
        "| rich | 2023-03-15 | 2023-03-15 18:00:00 | 12.5% | 3.1 | TRUE | =A1+1 | in | #N/A |  |\n\n"
        "## Two\n\n| 1 | 2 |\n| --- | --- |\n"
    )
    assert markdown(content, pages=Pages(2, 2)) == "## Two\n\n| 1 | 2 |\n| --- | --- |\n"


def test_a_workbook_may_count_its_days_from_1904() -> None:
    styles = '<cellXfs><xf numFmtId="14"/></cellXfs>'
    sheet = '<row><c s="0"><v>1</v></c></row>'
    text = markdown(xlsx({"S": sheet}, styles=styles, book='<workbookPr date1904="1"/>'))
    assert text == "## S\n\n| 1904-01-02 |\n| --- |\n"


def test_a_presentation_shows_titles_lists_tables_and_notes() -> None:
    table = (
        "<p:graphicFrame><a:tbl><a:tr><a:tc><a:p><a:r><a:t>1</a:t></a:r></a:p></a:tc>"
        "<a:tc><a:p><a:r><a:t>2</a:t></a:r></a:p></a:tc></a:tr></a:tbl></p:graphicFrame>"
    )
    first = (
        shape("ctrTitle", "Hello", "there")
        + f"<p:grpSp>{shape('body', 'a', 'b')}</p:grpSp>"
        + shape("sldNum", "1")
        + table
    )
    content = pptx(first, shape("subTitle", "second"), notes="say this")
    assert markdown(content) == (
        "## Slide 1: Hello there\n\n- a\n- b\n\n| 1 | 2 |\n| --- | --- |\n\n> Notes: say this\n\n## Slide 2\n\nsecond\n"
    )
    assert markdown(content, pages=Pages(2)) == "## Slide 2\n\nsecond\n"


def test_a_text_of_libreoffice_keeps_headings_lists_tables_and_notes() -> None:
    body = (
        '<text:h text:outline-level="2">H</text:h>'
        '<text:p>a<text:s text:c="2"/>b<text:tab/><text:a xlink:href="u:v">link</text:a>'
        "<text:note><text:note-citation>1</text:note-citation>"
        "<text:note-body><text:p>n</text:p></text:note-body></text:note></text:p>"
        "<text:list><text:list-item><text:p>x</text:p>"
        "<text:list><text:list-item><text:p>y</text:p></text:list-item></text:list></text:list-item></text:list>"
        "<table:table><table:table-row>"
        '<table:table-cell table:number-columns-repeated="2"><text:p>c</text:p></table:table-cell>'
        '<table:table-cell table:number-columns-repeated="16000"/></table:table-row>'
        '<table:table-row table:number-rows-repeated="1000000"><table:table-cell/></table:table-row></table:table>'
    )
    assert markdown(odf(body)) == ("## H\n\na  b\t[link](u:v) [note: n]\n\n- x\n  - y\n\n| c | c |\n| --- | --- |\n")


def test_sheets_of_libreoffice_are_under_their_names() -> None:
    row = "<table:table-row><table:table-cell><text:p>1</text:p></table:table-cell></table:table-row>"
    sheets = "".join(f'<table:table table:name="{name}">{row}</table:table>' for name in ("S", "T"))
    assert markdown(odf(sheets, "spreadsheet"), pages=Pages(2)) == "## T\n\n| 1 |\n| --- |\n"


def test_a_book_is_its_chapters_in_order() -> None:
    content = epub("<h1>One</h1><p>a", "<h1>Two</h1><p>b")
    assert markdown(content) == "# One\n\na\n\n# Two\n\nb\n"
    assert markdown(content, pages=Pages(2, 2)) == "# Two\n\nb\n"


def test_a_notebook_shows_code_and_what_it_printed() -> None:
    outputs = [
        {"output_type": "stream", "text": ["\x1b[31mred\x1b[0m\n"]},
        {"output_type": "display_data", "data": {"image/png": "AA", "text/plain": "<Figure>"}},
        {"output_type": "execute_result", "data": {"text/html": "<table><tr><td>1<td>2</table>", "text/plain": "x"}},
        {"output_type": "error", "traceback": ["Boom"]},
    ]
    content = notebook(
        {"cell_type": "markdown", "source": ["# A\n", "b"]},
        {"cell_type": "code", "source": "print()", "outputs": outputs},
    )
    assert markdown(content, "a.ipynb") == (
        "# A\nb\n\n```python\nprint()\n```\n\n```text\nred\n```\n\n```text\n<Figure>\n```\n\n[a picture: image/png]\n\n"
        "| 1 | 2 |\n| --- | --- |\n\n```text\nBoom\n```\n"
    )


def test_a_mail_lists_what_is_attached_and_reads_what_is_named() -> None:
    attached = {"t.csv": b"a,b\n1,2\n", "m.eml": mail("inner")}
    content = mail("Hällo\n", attached=attached)
    head = "- From: Ann <a@example.org>\n- To: b@example.org\n- Subject: Grüße an alle\n\nHällo\n\n"
    listed = (
        "Attachments; read one with `extract FILE NAME`:\n\n"
        "- t.csv (application/octet-stream, 8 bytes)\n"
        f"- m.eml (application/octet-stream, {len(attached['m.eml'])} bytes)\n"
    )
    assert markdown(content, "a.eml") == head + listed
    assert (
        markdown(content, "a.eml", members=("*.csv",))
        == f"{head}{listed}\n## t.csv\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    )


def test_a_mail_is_known_by_its_headers() -> None:
    assert markdown(mail("a"), "msg.txt").startswith("- From: Ann")
    assert markdown(b"To: be\n\nFrom: here\nSubject: on\n", "a.txt") == "To: be\n\nFrom: here\nSubject: on\n"


def test_a_mail_of_html_is_read_as_a_page() -> None:
    assert markdown(mail("<p>a<p><b>b</b>", html=True), "a.eml").endswith("\n\na\n\n**b**\n")


def test_a_mailbox_is_its_messages() -> None:
    box = b"From a\n" + mail("one\nFrom the middle\n\n>From here\n") + b"\nFrom b\n" + mail("two\n")
    text = markdown(box)
    assert text.count("## Message") == 2
    assert "From here" in text
    assert markdown(box, pages=Pages(2, 2)).startswith("## Message 2\n\n- From: Ann")


def test_an_archive_lists_its_members_and_reads_those_that_are_named() -> None:
    members: dict[str, bytes] = {"d/a.csv": b"x,y\n1,2\n", "b.html": b"<html><h1>B</h1>", "c.bin": b"\1\0\2"}
    read_csv = "## d/a.csv\n\n| x | y |\n| --- | --- |\n| 1 | 2 |\n"
    for content in (zipped(dict(members)), taped(members), taped(members, "w"), taped(members, "w:xz")):
        listed = markdown(content)
        assert [line.split(" | ")[0] for line in listed.split("\n")][:5] == [
            "| member",
            "| ---",
            "| d/a.csv",
            "| b.html",
            "| c.bin",
        ]
        assert markdown(content, members=("*.csv",)) == read_csv
        assert "## c.bin\n\n[not read: It is no text" in markdown(content, members=("*",))
        with pytest.raises(Unreadable, match="no member 'z'"):
            markdown(content, members=("z",))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_document_is_read_as_what_it_is(pack: object) -> None:
    assert callable(pack)
    assert markdown(pack(b"a,b\n1,2\n"), "t.csv.gz") == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"


@pytest.mark.parametrize(
    ("content", "name", "text"),
    [
        (b"a;b;c\n1,5;2;'3\n\n4;\"5\n6\";7\n", "t.csv",
         "| a | b | c |\n| --- | --- | --- |\n| 1,5 | 2 | '3 |\n| 4 | 5 6 | 7 |\n"),
        (b"a\tb\n1,2\t3\n", "t.tsv", "| a | b |\n| --- | --- |\n| 1,2 | 3 |\n"),
        (b"alone\n1\n", "t.csv", "| alone |\n| --- |\n| 1 |\n"),
        ('{"a":["é"]}'.encode(), "t.json", '```json\n{\n "a": [\n  "é"\n ]\n}\n```\n'),
        (b'{"a":1}\n{"a":2}\n', "t.json", '```json\n{"a":1}\n{"a":2}\n```\n'),
        (b"line\r\nnext\r", "t.txt", "line\nnext\n"),
        (rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}}{\*\generator X;}a \'e9\u8364?b\par {\b c}\tab d\par\cell}", "t.rtf",
         "a é€b\n\nc\td\n"),
    ],
)  # fmt: skip
def test_texts_and_tables(content: bytes, name: str, text: str) -> None:
    assert markdown(content, name) == text


@needs("pdftotext", package="poppler-utils")
def test_a_pdf_is_read_page_by_page() -> None:
    content = pdf("First page", "Second page", "")
    text = markdown(content)
    assert text.startswith(
        "<!-- page 1 -->\n\nFirst page\n\n<!-- page 2 -->\n\nSecond page\n\n<!-- page 3 -->\n\n[no text"
    )
    assert markdown(content, pages=Pages(2, 2)) == "<!-- page 2 -->\n\nSecond page\n"
    assert markdown(pdf("Alone")) == "Alone\n"
    with pytest.raises(Unreadable, match="It has 3 pages, so there is no page 4"):
        markdown(content, pages=Pages(4))


def test_what_is_learned_beside_the_text_is_told() -> None:
    source = Source("b.epub", io.BytesIO(epub("<h1>One</h1>")), Budget())
    read(source)
    assert json.dumps(source.facts, sort_keys=True) == '{"kind": "epub", "pages": 1, "title": "The book"}'
