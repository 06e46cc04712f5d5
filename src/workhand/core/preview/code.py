"""Source code: its definitions with their line numbers, its imports in brief, then the lines that bring new names.

Definitions are found by one expression a family of languages.  A parser would
see little more, and only in files that are whole; a result is often a part.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from workhand.core.preview.lines import Line, cut
from workhand.core.preview.names import by_novelty, index, names
from workhand.core.preview.plain import drop_blanks, squeeze

DEFINITIONS_SHARE = 0.5
IMPORTS_SHARE = 0.1
INDEX_SHARE = 0.25
LINE_SHARE = 0.15
LINE_BYTES_MIN = 90
DEFINITIONS_MIN = 3  # or imports
DEFINITIONS_SHARE_MIN = 0.015
CODE_SHARE = 0.45  # of the lines look like code

_WORDS = (
    r"export|default|declare|pub(?:\([^)]*\))?|public|private|protected|internal|static|final|abstract|async|unsafe"
    r"|override|synchronized|native|inline|virtual|extern|const"
)
_NOUNS = r"function\*?|class|interface|enum|record|struct|trait|impl|fn|mod|namespace|union"
_DEFINITION = re.compile(
    rf"""^\s*(?:
        (?:async\s+)?(?:def|class)\s+\w+.*[:(]
      | (?:(?:{_WORDS})\s+)*+(?:{_NOUNS})\b.*\w.*[\{{(;,]?$
      | (?:export\s+)?type\s+\w+\b.*[=\{{]
      | (?:export\s+)?(?:const|let|var)\s+\w+[^=]*=\s*(?:async\s*)?(?:function\b|\(.*=>|\w+\s*=>)
      | func\s+(?:\([^)]*\)\s*)?\w+\s*[\[(]
      | macro_rules!\s*\w+
      | (?:(?:{_WORDS})\s+)++(?!=)[^()=;]*\w\s*\([^=;]*(?:[\{{,)]|throws\s.*)$
      | (?!return|else|throw|new|case|if|for|while|switch)[A-Za-z_][^()=;.]*[\s*&][\w:~]+\([^;]*\)\s*(?:const\s*)?\{{$
      | \#define\s+\w+\(
    )""",
    re.VERBOSE,
)
_IMPORT = re.compile(
    r"^\s*(?:import\b|from\s+\S+\s+import\b|\#include\b|use\s+[\w:{]|using\s+\w|package\s+\w"
    r"|(?:const|var|let)\b[^=]*=\s*require\()"
)
_IMPORTED = re.compile(
    r"\b(?:import|from|include|use|using|package|static|const|var|let|require|as|type)\b|[;\"'<>(){}#=]"
)
_CODE = re.compile(
    r"[;{}()\[]\s*$|\)?:\s*$|^\s*(?:#|//|/\*|\*|@|[})\]]|return\b|if\b|for\b|else\b|import\b|from\b)"
    r"|^\s*[\w.\[\]]+\s*[-+|:]?=\s|\w\("
)


def is_code(lines: Sequence[tuple[int, str]]) -> bool:
    texts = [text for _, text in drop_blanks(lines)]
    if sum(1 for text in texts if _CODE.search(text)) < CODE_SHARE * len(texts):
        return False
    definitions = sum(1 for text in texts if _DEFINITION.match(text[:300]))
    imports = sum(1 for text in texts if _IMPORT.match(text))
    return definitions + imports >= max(DEFINITIONS_MIN, len(texts) * DEFINITIONS_SHARE_MIN)


def code(lines: Sequence[tuple[int, str]], bytes_max: int) -> tuple[Line, ...]:
    """Rank the lines of code; every line is written with its number."""
    line_bytes_max = max(LINE_BYTES_MIN, int(bytes_max * LINE_SHARE))
    placed: dict[int, str] = {}
    for at, text in drop_blanks(lines):
        placed.setdefault(at, cut(f"{at}: {squeeze(text)}" if at > 0 else text, line_bytes_max))
    definitions = {at: _depth(text) for at, text in lines if at in placed and _DEFINITION.match(text[:300])}
    imports = [(at, text) for at, text in lines if at in placed and _IMPORT.match(text)]
    ranked: list[Line] = []
    room = int(bytes_max * DEFINITIONS_SHARE)
    for at, depth in sorted(definitions.items(), key=lambda each: (each[1], each[0])):
        room -= len(placed[at]) + 3
        if room > 0:
            ranked.append(Line(at, placed.pop(at), 1 + min(depth, 3)))
    if len(imports) > 2:
        brief = ", ".join(dict.fromkeys(" ".join(_IMPORTED.sub(" ", text).split()) for _, text in imports))
        for at, _ in imports:
            placed.pop(at, None)
        first = imports[0][0]
        ranked.append(Line(first, cut(f"{first}: imports {brief}", int(bytes_max * IMPORTS_SHARE)), 5))
    ends = [at for at in (min(placed, default=0), max(placed, default=0)) if at in placed]
    ranked += [Line(at, placed.pop(at), 0) for at in dict.fromkeys(ends)]
    seen = {name for line in ranked for name in names(line.text)}
    rest = list(by_novelty(list(placed.items()), 6, seen))
    last = max((line.at for line in (*ranked, *rest)), default=0)
    return (*ranked, *rest, *index(rest, int(bytes_max * INDEX_SHARE), last + 1))


def _depth(text: str) -> int:
    indent = text[: len(text) - len(text.lstrip())].expandtabs(4)
    return len(indent) // 4
