"""Turn a description, JSON or YAML, into plain JSON: a program that stands alone and is started within limits.

YAML can be written to exhaust whoever reads it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main(source: str, target: str) -> str:
    """Write the JSON; give what is wrong with the description, if anything is."""
    try:
        content = _read(Path(source).read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            return "it is no object"
        with Path(target).open("w", encoding="utf-8") as file:
            json.dump(content, file, default=str)
    except (ValueError, TypeError, RecursionError, MemoryError) as error:
        return " ".join(str(error).split())[:300] or type(error).__name__
    return ""


def _read(text: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return json.loads(text)
    except ValueError:
        try:
            return YAML(typ="safe", pure=True).load(text)
        except YAMLError as error:
            raise ValueError(f"it is neither JSON nor YAML: {error}") from error


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) or None)
