"""Text of an unknown encoding.

What is declared or can be nothing else comes first.  Then each of a few encodings is judged
by how many of the characters it gives are frequent in the writing that it is used for: the
frequent ones stand together in these tables, so a range of first bytes tells them.
"""

from __future__ import annotations

import codecs
import re

SAMPLE_BYTES = 1 << 16
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
LATIN = "àâäáãåæçéèêëíìîïñóòôöõøúùûüýÿßœšžÀÂÄÁÅÆÇÉÈÊËÍÎÑÓÔÖØÚÜŠŽ‘’‚“”„–—…•«»°©®™§£€·\xa0"  # noqa: RUF001
FREQUENT = {
    "cp1252": re.compile(f"[{LATIN}]"),
    "cp1251": re.compile("[а-яёіїєґ«»—–№]"),  # noqa: RUF001
    "koi8-r": re.compile("[а-яё]"),  # noqa: RUF001
    "shift_jis": re.compile("[ぁ-ヿ、。「」]"),
    "euc_jp": re.compile("[ぁ-ヿ、。「」]"),
    "euc_kr": re.compile("[가-힣]"),
}
FIRST_BYTES = {"shift_jis": (0x88, 0x97), "euc_jp": (0xB0, 0xCF), "gb18030": (0xB0, 0xD7), "big5": (0xA4, 0xC6)}

IDEOGRAPHS_PER_KANA_MAX = 9


def text_of(content: bytes, declared: str = "") -> str:
    """Decode a text, whatever it is in, with its lines ended in one way."""
    text = content.decode(encoding_of(content, declared), errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def encoding_of(content: bytes, declared: str = "") -> str:
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return encoding
    sample = content[:SAMPLE_BYTES]
    if sample.count(0) > len(sample) // 4:  # every second byte of a text in Latin letters
        return "utf-16-le" if sample[1::2].count(0) > sample[0::2].count(0) else "utf-16-be"
    if decodes(sample, "utf-8"):
        return "utf-8"
    if declared and decodes(sample, declared):
        return declared
    return max((*FREQUENT, "gb18030", "big5"), key=lambda encoding: _likeness(sample, encoding))


def decodes(sample: bytes, encoding: str) -> bool:
    """Say whether a piece from the beginning of a text can be in an encoding; its end may be cut."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample)
    except (LookupError, ValueError):
        return False
    return True


def _likeness(sample: bytes, encoding: str) -> float:
    """Say how much a text looks like one that was written in an encoding; 1 is the most."""
    if not decodes(sample, encoding):
        return -1.0
    special = [char for char in sample.decode(encoding, errors="replace") if char > "\x7f"]
    alike, ideographs = 0, 0
    frequent = FREQUENT.get(encoding)
    first, last = FIRST_BYTES.get(encoding, (1, 0))
    for char in special:
        if frequent and frequent.match(char):
            alike += 1
        elif first <= last and "一" <= char <= "鿿":
            ideographs += first <= char.encode(encoding, errors="replace")[0] <= last
    if frequent:  # no Japanese text is without kana
        ideographs = min(ideographs, IDEOGRAPHS_PER_KANA_MAX * alike)
    return (alike + ideographs) / max(1, len(special))
