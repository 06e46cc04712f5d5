"""What a server sends is kept as far as it fits, in order, and what is left out is counted."""

from __future__ import annotations

import base64

import mcp_types as wire
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workhand.mcp.content import Blob, Link, Part, Result, Text, called, contents

BLOCKS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: wire.TextContent(text=text))
    | st.binary().map(lambda found: wire.ImageContent(data=base64.b64encode(found).decode(), mime_type="image/png")),
)


@given(BLOCKS, st.integers(0, 60))
def test_what_is_kept_fits_and_with_what_is_dropped_it_is_all_there_was(
    blocks: list[wire.ContentBlock], bytes_max: int
) -> None:
    whole = called(wire.CallToolResult(content=blocks), bytes_max=1 << 20)
    cut = called(wire.CallToolResult(content=blocks), bytes_max=bytes_max)
    assert total(cut) <= bytes_max
    assert total(cut) + cut.dropped_bytes == total(whole)
    assert whole.dropped_bytes == 0


def test_what_does_not_fit_whole_is_left_out_unless_it_is_text() -> None:
    blocks: list[wire.ContentBlock] = [
        wire.TextContent(text="ab"),
        wire.ImageContent(data=base64.b64encode(b"picture").decode(), mime_type="image/png"),
        wire.ResourceLink(uri="x:y", name="link"),
        wire.TextContent(text="żółw"),
    ]
    answer = wire.CallToolResult(content=blocks, structured_content={"a": 1}, is_error=True)
    parts = (Text("ab"), Link("x:y", "link", ""), Text("ż"))
    assert called(answer, bytes_max=8) == Result(parts, "", False, 7 + 5 + 7)


def test_a_resource_without_a_media_type_is_bytes() -> None:
    read = wire.BlobResourceContents(uri="x:y", blob=base64.b64encode(b"\0").decode())
    result = contents(wire.ReadResourceResult(contents=[read]), bytes_max=10)
    assert result == Result((Blob("application/octet-stream", b"\0", "x:y"),))


def test_what_is_not_base64_is_a_value_error() -> None:
    blocks: list[wire.ContentBlock] = [wire.ImageContent(data="a", mime_type="image/png")]
    with pytest.raises(ValueError):
        called(wire.CallToolResult(content=blocks), bytes_max=10)


def total(result: Result) -> int:
    return sum(map(size, result.parts))


def size(part: Part) -> int:
    match part:
        case Text():
            return len(part.text.encode())
        case Blob():
            return len(part.content)
        case Link():
            return len(part.uri)
