"""How often ordinary content is held back: ``python -m bench.scan``.

Requests are made of the documentation and the source of the packages in this environment: each file as it is, as a text
in JSON, packed with gzip, as an attachment in base64, and as the value of a form.  None holds a secret, so whatever is
found is found wrongly, and its cause is printed.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import random
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlencode

import pydantic

from workhand.guard.scan import Needle, scan

PACKAGES = Path(pydantic.__file__).parents[1]
KINDS = (".py", ".pyi", ".md", ".rst", ".txt", ".json", ".html", ".js", ".css", ".toml", ".typed", ".yaml")
FILE_BYTES_MAX = 300_000
NEEDLES = (Needle("ONE", b"sk_dummy_9f8E7d6C5b4A"), Needle("TWO", b"another-dummy-value-1234"))


def requests(content: bytes) -> dict[str, bytes]:
    """Give the bodies of requests that would carry a file."""
    return {
        "as it is": content,
        "in JSON": json.dumps({"text": content.decode("latin-1")}).encode(),
        "packed": gzip.compress(content),
        "attached": base64.b64encode(content),
        "in a form": urlencode({"text": content}).encode(),
    }


def main(files: int, seed: int) -> None:
    found: Counter[str] = Counter()
    known = sorted(path for path in PACKAGES.rglob("*") if path.suffix in KINDS and path.is_file())
    chosen = random.Random(seed).sample(known, min(files, len(known)))
    made, held, size, began = 0, 0, 0, time.perf_counter()
    for path in chosen:
        for kind, body in requests(path.read_bytes()[:FILE_BYTES_MAX]).items():
            made += 1
            size += len(body)
            if finding := scan([("body", body)], NEEDLES):
                held += 1
                found[f"{finding.name}: {path.relative_to(PACKAGES)}, {kind}"] += 1
    taken_ms = (time.perf_counter() - began) * 1_000
    print(f"{made:,} requests of {len(chosen)} files: {held} held back ({held / made:.2%})")
    print(f"{taken_ms / made:.1f} ms each, {taken_ms / size * (1 << 20):.0f} ms a MB")
    for cause in sorted(found):
        print(f"  {cause}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    main(asked.files, asked.seed)
