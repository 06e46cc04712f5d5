"""The pages of an index, one for each project: read from another, and written anew so that all files come through us.

What a page says is not trusted.  A file counts only if its name is one of the project that was asked for and if
the page gives its SHA-256: by that it is checked when it has come, and by that it is asked for inside.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "text/html; charset=utf-8"
ACCEPT = f"{JSON_TYPE}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
PROJECT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?")
FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!-]{0,254}")
DIGEST = re.compile(r"[0-9a-f]{64}")
WHEEL_PARTS = (5, 6)  # name, version, perhaps a build, and what it runs on
SOURCES = (".tar.gz", ".zip")
FILES_MAX = 50_000
PLAIN_CHARS_MAX = 200


class Unreadable(ValueError):
    """A page that is none."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A file of a project, as an index offers it."""

    filename: str
    sha256: str
    url: str = ""  # where it is to be had; nowhere, if it is only here
    requires_python: str = ""
    metadata_sha256: str = ""  # of what can be read of it alone (PEP 658)
    yanked: bool = False


def normal(name: str) -> str:
    """Give the name of a project in its one form (PEP 503); nothing if it is none."""
    found = re.sub(r"[-_.]+", "-", name).lower()
    return found if PROJECT.fullmatch(found) else ""


def project_of(filename: str, *, sdists: bool = True) -> str:
    """Name the project whose file this is; nothing if it is no name of a wheel or of sources."""
    if not FILE.fullmatch(filename):
        return ""
    if filename.endswith(".whl"):
        parts = filename.removesuffix(".whl").split("-")
        return normal(parts[0]) if len(parts) in WHEEL_PARTS and all(parts) else ""
    ending = next((each for each in SOURCES if filename.endswith(each)), "")
    name, _, version = filename.removesuffix(ending).rpartition("-")
    return normal(name) if ending and sdists and version[:1].isdigit() else ""


def plain(text: str) -> str:
    """Shorten what is said, and take out what cannot be written everywhere, such as half of a character."""
    return "".join(char for char in text if " " <= char <= "~")[:PLAIN_CHARS_MAX]


def read(content: bytes, content_type: str, url: str, project: str, *, sdists: bool) -> tuple[Offered, ...]:
    """Give the files of a project's page, in order.  Raises ``Unreadable``."""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        files = _of_json(content) if kind.endswith("json") else _of_html(content)
        found = [_offered(each, url) for each in files[:FILES_MAX]]
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise Unreadable("the page is none of an index") from error
    good = [each for each in found if each is not None and project_of(each.filename, sdists=sdists) == project]
    return tuple({each.filename: each for each in reversed(good)}.values())[::-1]


def _of_json(content: bytes) -> list[Mapping[str, Any]]:
    files = json.loads(content)["files"]
    if not isinstance(files, list):
        raise TypeError("no list of files")
    return files


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Mapping[str, Any]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag != "a" or not given.get("href"):
            return
        url, fragment = urldefrag(given["href"] or "")
        method, _, value = fragment.partition("=")
        metadata = (given.get("data-core-metadata") or given.get("data-dist-info-metadata") or "").partition("=")
        self.found.append(
            {
                "url": url,
                "filename": urlsplit(url).path.rpartition("/")[2].replace("%2B", "+").replace("%21", "!"),
                "hashes": {method: value},
                "requires-python": given.get("data-requires-python"),
                "core-metadata": {metadata[0]: metadata[2]},
                "yanked": "data-yanked" in given,
            }
        )


def _of_html(content: bytes) -> list[Mapping[str, Any]]:
    links = _Links()
    links.feed(content.decode("utf-8", "replace"))
    return links.found


def _offered(stated: Mapping[str, Any], page: str) -> Offered | None:
    digest = str(stated["hashes"].get("sha256", "")).lower()
    if not DIGEST.fullmatch(digest):
        return None
    said = stated.get("core-metadata") or stated.get("dist-info-metadata")
    metadata = str(said.get("sha256", "")).lower() if isinstance(said, Mapping) else ""
    return Offered(
        filename=str(stated["filename"]),
        sha256=digest,
        url=urljoin(page, str(stated["url"])),
        requires_python=plain(str(stated.get("requires-python") or "")),
        metadata_sha256=metadata if DIGEST.fullmatch(metadata) else "",
        yanked=stated.get("yanked", False) is not False,
    )


# -- written anew --------------------------------------------------------------------------


def written(project: str, files: Sequence[Offered], accept: str) -> tuple[str, bytes]:
    """Give a project's page for programs inside: its kind, and its content."""
    if JSON_TYPE in accept:
        stated = {"meta": {"api-version": "1.0"}, "name": project, "files": [_stated(each) for each in files]}
        return JSON_TYPE, json.dumps(stated).encode()
    links = "".join(_link(each) for each in files)
    return HTML_TYPE, f"<!DOCTYPE html><html><body>\n{links}</body></html>\n".encode()


def path_of(each: Offered) -> str:
    return f"../../files/{each.sha256}/{each.filename}"


def _stated(each: Offered) -> dict[str, Any]:
    stated: dict[str, Any] = {"filename": each.filename, "url": path_of(each), "hashes": {"sha256": each.sha256}}
    if each.requires_python:
        stated["requires-python"] = each.requires_python
    if each.metadata_sha256:
        hashes = {"sha256": each.metadata_sha256}
        stated |= {"core-metadata": hashes, "dist-info-metadata": hashes}
    return stated | ({"yanked": True} if each.yanked else {})


def _link(each: Offered) -> str:
    given = {"href": f"{path_of(each)}#sha256={each.sha256}"}
    if each.requires_python:
        given["data-requires-python"] = each.requires_python
    if each.metadata_sha256:
        given |= dict.fromkeys(("data-core-metadata", "data-dist-info-metadata"), f"sha256={each.metadata_sha256}")
    if each.yanked:
        given["data-yanked"] = ""
    attributes = " ".join(f'{name}="{html.escape(value)}"' for name, value in given.items())
    return f"<a {attributes}>{html.escape(each.filename)}</a><br>\n"
