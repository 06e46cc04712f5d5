"""Put the pictures into a prompt that names them by digest.

The log, and so the body, holds digests only: a picture is kept once, among the originals, and its bytes are of no
concern to what compares, measures and stores prompts.  They are needed when a model is asked.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace

from workhand.core import canonical
from workhand.core.ports import BlobStore
from workhand.core.prompt import Prompt, weight


class Pictures:
    """A session's pieces with pictures as a model is sent them, made once each while they are in its context."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._made: dict[bytes, bytes] = {}

    async def put_into(self, prompt: Prompt) -> Prompt:
        """Give a prompt with its pictures.  Raises ``StoreError`` if one is missing."""
        named = [piece for piece in prompt.body if weight(piece) > len(piece)]
        self._made = {piece: self._made.get(piece) or await self._with_bytes(piece) for piece in named}
        return replace(prompt, body=tuple(self._made.get(piece, piece) for piece in prompt.body)) if named else prompt

    async def _with_bytes(self, piece: bytes) -> bytes:
        block = json.loads(piece)
        block["media"] = [
            {"base64": base64.b64encode(await self._blobs.get(each["blob"])).decode(), "type": each["type"]}
            for each in block["media"]
        ]
        return canonical.encode(block)
