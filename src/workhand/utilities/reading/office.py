"""Older formats of office programs (doc, xls, ppt): LibreOffice makes of them the formats that are read here."""

from __future__ import annotations

import os
import tempfile

from ..budget import Unreadable
from ..programs import need, run
from . import sheet, slides, word
from .pdf import on_disk

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .source import Source

FORMATS = {"doc": ("docx", word.read), "xls": ("xlsx", sheet.read), "ppt": ("pptx", slides.read)}


def read(source: Source) -> Iterator[str]:
    ending = os.path.splitext(source.name)[1].lower()[1:4]
    if ending not in FORMATS:
        raise Unreadable("It is of an older office program, and its name does not end in .doc, .xls or .ppt.")
    wanted, read_as = FORMATS[ending]
    with on_disk(source) as path, tempfile.TemporaryDirectory() as folder:
        made = office(path, wanted, folder, time_s=source.budget.limits.time_s)
        with open(made, "rb") as file:
            yield from read_as(source.inside(os.path.basename(made), file.read()))


def office(path: str, wanted: str, folder: str, *, time_s: float) -> str:
    """Let LibreOffice make a document of another format in a folder, with a profile of its own; give its path."""
    program = need("libreoffice", "soffice", purpose=f"making .{wanted} of this document")
    profile = f"-env:UserInstallation=file://{folder}/profile"
    run(
        [program, profile, "--headless", "--convert-to", wanted, "--outdir", folder, path],
        time_s=time_s,
        output_bytes_max=1 << 30,
    )
    made = os.path.join(folder, f"{os.path.splitext(os.path.basename(path))[0]}.{wanted.partition(':')[0]}")
    if not os.path.exists(made):
        raise Unreadable(f"LibreOffice could not make .{wanted} of it.")
    return made
