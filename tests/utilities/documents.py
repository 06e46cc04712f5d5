"""Small documents of every kind, made with nothing but the standard library."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from email.message import EmailMessage

WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
RELATION = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
TYPES = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def zipped(parts: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name, content)
    return out.getvalue()


def taped(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as made:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return out.getvalue()


def relations(*related: tuple[str, str, str], external: bool = False) -> str:
    mode = ' TargetMode="External"' if external else ""
    entries = "".join(
        f'<Relationship Id="{id}" Type="{TYPES}/{kind}" Target="{target}"{mode}/>' for id, kind, target in related
    )
    return (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{entries}</Relationships>'
    )


def docx(body: str, **parts: str) -> bytes:
    """Make a document of Word; parts are its styles, numbering, footnotes and comments."""
    named = {f"word/{name}.xml": f"<w:{name} {WORD}>{content}</w:{name}>" for name, content in parts.items()}
    kinds = [(f"i{number}", name, f"{name}.xml") for number, name in enumerate(parts)]
    links = relations(("link", "hyperlink", "https://example.org/a"), external=True)
    return zipped(
        {
            "[Content_Types].xml": "<Types/>",
            "_rels/.rels": relations(("main", "officeDocument", "word/document.xml")),
            "word/document.xml": f"<w:document {WORD} {RELATION}><w:body>{body}</w:body></w:document>",
            "word/_rels/document.xml.rels": relations(*kinds).replace("</Relationships>", "") + links.partition(">")[2],
            **named,
        }
    )


def paragraph(text: str, properties: str = "", run: str = "") -> str:
    style = f"<w:rPr>{run}</w:rPr>" if run else ""
    return f'<w:p><w:pPr>{properties}</w:pPr><w:r>{style}<w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def xlsx(sheets: dict[str, str], *, strings: str = "", styles: str = "", book: str = "") -> bytes:
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    names = list(sheets)
    listed = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in enumerate(names))
    related = [(f"r{n}", "worksheet", f"worksheets/sheet{n}.xml") for n in range(len(names))]
    return zipped(
        {
            "[Content_Types].xml": "<Types/>",
            "_rels/.rels": relations(("main", "officeDocument", "xl/workbook.xml")),
            "xl/workbook.xml": f"<workbook {space} {RELATION}>{book}<sheets>{listed}</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": relations(
                *related, ("s", "sharedStrings", "sharedStrings.xml"), ("t", "styles", "styles.xml")
            ),
            "xl/sharedStrings.xml": f"<sst {space}>{strings}</sst>",
            "xl/styles.xml": f"<styleSheet {space}>{styles}</styleSheet>",
            **{
                f"xl/worksheets/sheet{n}.xml": f"<worksheet {space}><sheetData>{sheets[name]}</sheetData></worksheet>"
                for n, name in enumerate(names)
            },
        }
    )


def pptx(*slides: str, notes: str = "") -> bytes:
    space = f'xmlns:a="urn:a" xmlns:p="urn:p" {RELATION}'
    ids = "".join(f'<p:sldId id="{256 + n}" r:id="r{n}"/>' for n in range(len(slides)))
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": relations(("main", "officeDocument", "ppt/presentation.xml")),
        "ppt/presentation.xml": f"<p:presentation {space}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": relations(
            *((f"r{n}", "slide", f"slides/slide{n}.xml") for n in range(len(slides)))
        ),
    }
    for n, shapes in enumerate(slides):
        parts[f"ppt/slides/slide{n}.xml"] = f"<p:sld {space}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
    if notes:
        parts["ppt/slides/_rels/slide0.xml.rels"] = relations(("n", "notesSlide", "../notesSlides/notes0.xml"))
        parts["ppt/notesSlides/notes0.xml"] = f"<p:notes {space}>{shape('body', notes)}</p:notes>"
    return zipped(parts)


def shape(place: str, *lines: str) -> str:
    text = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in lines)
    return f'<p:sp><p:nvSpPr><p:nvPr><p:ph type="{place}"/></p:nvPr></p:nvSpPr><p:txBody>{text}</p:txBody></p:sp>'


def odf(body: str, kind: str = "text") -> bytes:
    space = 'xmlns:office="urn:o" xmlns:text="urn:t" xmlns:table="urn:tb" xmlns:draw="urn:d" xmlns:xlink="urn:x"'
    return zipped(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": f"<office:document-content {space}><office:body><office:{kind}>{body}</office:{kind}>"
            "</office:body></office:document-content>",
        }
    )


def epub(*chapters: str) -> bytes:
    items = "".join(
        f'<item id="c{n}" href="c%20{n}.xhtml" media-type="application/xhtml+xml"/>' for n in range(len(chapters))
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container><rootfiles><rootfile full-path="O/b.opf"/></rootfiles></container>',
            "O/b.opf": f'<package xmlns:dc="urn:dc"><metadata><dc:title>The book</dc:title></metadata>'
            f"<manifest>{items}</manifest><spine>{spine}</spine></package>",
            **{f"O/c {n}.xhtml": f"<html><body>{text}</body></html>" for n, text in enumerate(chapters)},
        }
    )


def notebook(*cells: dict[str, object]) -> bytes:
    return json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4}).encode()


def mail(body: str, *, html: bool = False, attached: dict[str, bytes] | None = None) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Ann <a@example.org>", "b@example.org", "Grüße an alle"
    message.set_content(body, subtype="html" if html else "plain")
    for name, content in (attached or {}).items():
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def pdf(*pages: str, count: int = 0) -> bytes:
    """Make a PDF with a line of text on each page, and ``count`` empty pages after them."""
    first = 4 + len(pages)
    numbers = range(first, first + len(pages) + count)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> >>"
        % (b" ".join(b"%d 0 R" % number for number in numbers), len(numbers)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for text in pages:
        drawn = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET".encode()
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn))
    objects += [b"<< /Type /Page /Parent 2 0 R /Contents %d 0 R >>" % (4 + n) for n in range(len(pages))]
    objects += [b"<< /Type /Page /Parent 2 0 R >>"] * count
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)
