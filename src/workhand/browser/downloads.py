"""Files that pages hand over: they land in the browser's machine, and are taken out of it as bytes.

A page chooses what it calls a file, so it is stored under a name of the browser's, and the page's is only told.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio

from workhand.browser.chromium import DOWNLOADS, Machine
from workhand.core.browsing import File

if TYPE_CHECKING:
    from playwright.async_api import CDPSession

DOWNLOAD_BYTES_MAX = 64_000_000
DOWNLOADS_MAX = 16  # that are known at once
WAIT_S = 20.0
NAME_CHARS_MAX = 120
GUID = re.compile(r"[0-9a-f-]{20,64}")


@dataclass(slots=True)
class Download:
    name: str
    state: str = "inProgress"
    told: bool = False  # that it goes on


class Downloads:
    def __init__(self, control: CDPSession) -> None:
        self._control = control
        self._known: dict[str, Download] = {}
        self._changed = anyio.Event()
        control.on("Browser.downloadWillBegin", self._begun)
        control.on("Browser.downloadProgress", self._progressed)

    async def prepare(self) -> None:
        where = {"behavior": "allowAndName", "downloadPath": f"/home/agent/{DOWNLOADS}", "eventsEnabled": True}
        await self._control.send("Browser.setDownloadBehavior", where)

    async def _begun(self, event: dict[str, Any]) -> None:
        guid = str(event.get("guid"))
        if len(self._known) >= DOWNLOADS_MAX or not GUID.fullmatch(guid):
            return await self._cancel(guid)
        self._known[guid] = Download(safe_name(str(event.get("suggestedFilename"))))
        return None

    async def _progressed(self, event: dict[str, Any]) -> None:
        guid, received = str(event.get("guid")), max(event.get("receivedBytes", 0), event.get("totalBytes", 0))
        download = self._known.get(guid)
        if download is None:
            return
        if received > DOWNLOAD_BYTES_MAX and download.state == "inProgress":
            download.state = "too large"
            await self._cancel(guid)
        elif download.state == "inProgress":
            download.state = str(event.get("state"))
        self._changed.set()

    async def _cancel(self, guid: str) -> None:
        from playwright.async_api import Error

        try:
            await self._control.send("Browser.cancelDownload", {"guid": guid})
        except Error:  # It is over, or the browser is.
            return

    async def taken(self, machine: Machine) -> tuple[tuple[File, ...], tuple[str, ...]]:
        """Wait a while for what is being downloaded; give the files, and a sentence for each that is not one."""
        with anyio.move_on_after(WAIT_S):
            while any(each.state == "inProgress" and not each.told for each in self._known.values()):
                self._changed = anyio.Event()
                await self._changed.wait()
        files, notes = [], []
        for guid, download in tuple(self._known.items()):
            if download.state == "inProgress":
                if not download.told:
                    notes.append(f"{download.name} is still being downloaded; look again later.")
                download.told = True
                continue
            del self._known[guid]
            if download.state == "completed":
                files.append(File(download.name, await _content(machine, guid)))
            else:
                limit = (
                    f"it has more than {DOWNLOAD_BYTES_MAX:,} bytes"
                    if download.state == "too large"
                    else "it broke off"
                )
                notes.append(f"{download.name} was not downloaded: {limit}.")
        return tuple(files), tuple(notes)


async def _content(machine: Machine, guid: str) -> bytes:
    path = f"{DOWNLOADS}/{guid}"
    content = await machine.read(path, bytes_max=DOWNLOAD_BYTES_MAX)
    await machine.execute(("rm", "-f", path), timeout_s=10.0, output_bytes_max=1_000)
    return content


def safe_name(suggested: str) -> str:
    """Make what a page calls a file the name of one: no directories, nothing hidden, no control characters."""
    last = posixpath.basename(suggested.replace("\\", "/"))
    printable = "".join(each if each.isprintable() else "_" for each in last).lstrip(". ").rstrip(". ")
    stem, ending = posixpath.splitext(printable)
    return (stem[: NAME_CHARS_MAX - len(ending[:16])] + ending[:16]) or "download"
