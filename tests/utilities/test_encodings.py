"""Texts whose encoding nobody states."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workhand.utilities.reading.encodings import encoding_of, text_of

TEXTS = {
    "french": "Où est le café? À côté de l’hôtel, près du théâtre.",  # noqa: RUF001
    "german": "Die Größe der Straße überrascht ältere Bürger.",
    "russian": "Вчера мы долго гуляли по набережной и говорили о книгах.",  # noqa: RUF001
    "japanese": "これは日本語の文章です。文字コードを判定します。",
    "chinese": "今天天气很好，我们一起去公园散步，然后回家吃饭。",  # noqa: RUF001
    "traditional": "今天天氣很好，我們一起去公園散步，然後回家吃飯。",  # noqa: RUF001
    "korean": "오늘은 날씨가 좋아서 공원에서 산책을 했습니다.",
    "english": "Nothing special here - 'plain' text.",
}


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *((name, encoding) for name in TEXTS for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030")
          if encoding != "gb18030" or name == "chinese"),
        ("french", "cp1252"),
        ("german", "latin-1"),
        ("russian", "cp1251"),
        ("russian", "koi8-r"),
        ("japanese", "shift_jis"),
        ("japanese", "euc_jp"),
        ("traditional", "big5"),
        ("korean", "euc_kr"),
        ("english", "utf-16-le"),
        ("english", "utf-16-be"),
    ],
)  # fmt: skip
def test_a_text_is_read_in_the_encoding_that_it_was_written_in(text: str, encoding: str) -> None:
    assert text_of(TEXTS[text].encode(encoding)) == TEXTS[text]


def test_what_is_declared_counts_only_if_it_can_be() -> None:
    assert encoding_of("Größe".encode("cp1252"), "cp1250") == "cp1250"
    assert encoding_of("Größe".encode(), "cp1250") == "utf-8"
    assert encoding_of("Größe".encode("cp1252"), "no-such-encoding") == "cp1252"


@given(st.binary())
def test_any_bytes_become_some_text(content: bytes) -> None:
    assert "\r" not in text_of(content)
