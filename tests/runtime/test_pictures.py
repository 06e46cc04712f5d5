"""Pictures are put into a prompt from the originals, each once."""

from __future__ import annotations

import base64
import json

import pytest

from workhand.core import canonical
from workhand.core.canonical import digest
from workhand.core.prompt import Prompt
from workhand.errors import StoreError
from workhand.runtime.pictures import Pictures

pytestmark = pytest.mark.anyio
PICTURE = b"\x89PNG of a chart"


class Blobs:
    """A store of one picture that counts how often it is asked for."""

    def __init__(self) -> None:
        self.asked = 0

    async def put(self, content: bytes) -> str:
        return digest(content)

    async def get(self, name: str) -> bytes:
        self.asked += 1
        if name != digest(PICTURE):
            raise StoreError(f"There is no original {name!r}.")
        return PICTURE


def prompt(*names: str) -> Prompt:
    said = canonical.encode({"role": "user", "text": 'a "media":[{"blob":"x"}] in words'})
    pictured = [
        canonical.encode(
            {"role": "tool", "call": "c1", "ok": True, "text": "", "media": [{"blob": each, "type": "image/png"}]}
        )
        for each in names
    ]
    return Prompt((said, *pictured), "", (), 10)


async def test_a_prompt_gets_its_pictures_and_the_rest_stays_as_it_is() -> None:
    blobs = Blobs()
    pictures, given = Pictures(blobs), prompt(digest(PICTURE))
    put = await pictures.put_into(given)
    assert put.body[0] == given.body[0]
    assert json.loads(put.body[1])["media"] == [{"base64": base64.b64encode(PICTURE).decode(), "type": "image/png"}]
    assert (await pictures.put_into(given)).body[1] is put.body[1]
    assert blobs.asked == 1


async def test_a_prompt_without_pictures_is_left_alone() -> None:
    given = prompt()
    assert await Pictures(Blobs()).put_into(given) is given


async def test_a_picture_that_is_missing_is_told() -> None:
    with pytest.raises(StoreError, match="no original"):
        await Pictures(Blobs()).put_into(prompt("0" * 64))
