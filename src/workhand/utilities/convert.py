"""``convert``: a document of one format becomes one of another, through the program that knows both."""

from __future__ import annotations

import getopt
import os
import shutil
import tempfile

from .budget import Unreadable
from .programs import need, run
from .reading.office import office

HELP = """\
convert FILE OUT

Make of FILE a document of the format that the name of OUT ends in.

with pandoc       from md html docx odt epub rst tex ipynb csv tsv
                  to   md html docx odt pptx epub rst tex txt
with libreoffice  from doc docx odt rtf xls xlsx ods csv ppt pptx odp
                  to   pdf docx odt rtf xlsx ods csv pptx odp
with chromium     from html svg to pdf

To Markdown for reading, use extract.

Exit status: 0 made, 1 not made (the reason is on standard error), 2 wrong arguments.
"""

PANDOC = (
    {
        "md",
        "html",
        "docx",
        "odt",
        "epub",
        "rst",
        "tex",
        "ipynb",
        "csv",
        "tsv",
    },
    {
        "md",
        "html",
        "docx",
        "odt",
        "pptx",
        "epub",
        "rst",
        "tex",
        "txt",
    },
)
OFFICE = (
    {
        "doc",
        "docx",
        "odt",
        "rtf",
        "xls",
        "xlsx",
        "ods",
        "csv",
        "ppt",
        "pptx",
        "odp",
    },
    {
        "pdf",
        "docx",
        "odt",
        "rtf",
        "xlsx",
        "ods",
        "csv",
        "pptx",
        "odp",
    },
)
BROWSER = ({"html", "svg"}, {"pdf", "png"})
PANDOC_NAMES = {"md": "gfm", "tex": "latex", "txt": "plain"}
TIME_S = 120.0
OUTPUT_BYTES_MAX = 1 << 30
CHROMIUM, WRAPPED = (
    "/usr/bin/chromium",
    "/usr/lib/chromium/chromium",
)  # the first is a script that reads what is in /etc
BROWSER_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
    "--disable-background-networking", "--virtual-time-budget=10000",
    "--disable-component-update", "--disable-extensions", "--disable-default-apps", "--disable-sync", "--no-pings",
    "--disable-component-extensions-with-background-pages", "--disable-domain-reliability",
    "--disable-client-side-phishing-detection", "--metrics-recording-only",
    "--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication",
)  # fmt: skip
OWN_HOSTS = (  # what it turns to by itself whatever is switched off: past the proxy, so that nobody is asked about it
    "update.googleapis.com", "clients2.google.com", "clientservices.googleapis.com", "redirector.gvt1.com",
    "optimizationguide-pa.googleapis.com", "content-autofill.googleapis.com", "safebrowsing.googleapis.com",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    _, operands = getopt.gnu_getopt(arguments, "", [])
    if len(operands) != 2:
        raise getopt.GetoptError("give a file, and the file to make of it")
    path, out = operands
    os.stat(path)
    convert(path, out)
    return 0


def convert(path: str, out: str) -> None:
    have, wanted = ending(path), ending(out)
    if (
        have in PANDOC[0]
        and wanted in PANDOC[1]
        and (shutil.which("pandoc") or not (have in OFFICE[0] and wanted in OFFICE[1]))
    ):
        program = need("pandoc", purpose=f"making .{wanted} of .{have}")
        names = [PANDOC_NAMES.get(each, each) for each in (have, wanted)]
        argv = [program, "--sandbox", "--standalone", "-f", names[0], "-t", names[1], "-o", out, path]
        run(argv, time_s=TIME_S, output_bytes_max=OUTPUT_BYTES_MAX)
    elif have in OFFICE[0] and wanted in OFFICE[1]:
        with tempfile.TemporaryDirectory() as folder:
            shutil.move(office(os.path.abspath(path), wanted, folder, time_s=TIME_S), out)
    elif have in BROWSER[0] and wanted in BROWSER[1]:
        browse(address(path), out)
    else:
        raise Unreadable(f"There is no way from .{have} to .{wanted} here; see convert --help.")


def browse(url: str, out: str, *, width: int = 1280, height: int = 1600) -> None:
    """Let a browser print or draw a page."""
    program = need("chromium", "chromium-browser", "google-chrome", purpose="drawing a page")
    if program == CHROMIUM and os.path.exists(WRAPPED):
        program = WRAPPED
    task = f"--print-to-pdf={out}" if ending(out) == "pdf" else f"--screenshot={out}"
    size = f"--window-size={width},{height}"
    direct = ",".join(filter(None, (os.environ.get("no_proxy"), *OWN_HOSTS)))
    with tempfile.TemporaryDirectory() as profile:
        argv = [
            "/usr/bin/env",
            f"HOME={profile}",
            f"no_proxy={direct}",
            f"NO_PROXY={direct}",
            program,
            *BROWSER_OPTIONS,
            f"--user-data-dir={profile}",
            size,
            "--no-pdf-header-footer",
            task,
            url,
        ]
        run(argv, time_s=TIME_S, output_bytes_max=OUTPUT_BYTES_MAX)
    if not os.path.exists(out):
        raise Unreadable(f"The browser made no {out}.")


def address(path: str) -> str:
    """Give the URL of a file, and a URL as it is."""
    return path if "://" in path else f"file://{os.path.abspath(path)}"


def ending(path: str) -> str:
    found = os.path.splitext(path)[1].lower().lstrip(".")
    return {"htm": "html", "xhtml": "html", "markdown": "md", "jpeg": "jpg"}.get(found, found)
