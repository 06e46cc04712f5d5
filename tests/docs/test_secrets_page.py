"""The page about keys is followed as a new person would, in a shell."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import anyio
import pytest

from workhand.core.ports import Capabilities
from workhand.sandbox.probe import probe

PAGE = Path(__file__).parents[2] / "docs" / "secrets.md"
END_S = 120


def free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


def test_a_key_is_used_and_never_seen_as_the_page_says(tmp_path: Path) -> None:
    found = anyio.run(probe, "bubblewrap")
    if not isinstance(found, Capabilities) and "CI" not in os.environ:
        pytest.skip(found)
    blocks = [textwrap.dedent(each) for each in re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.S)]
    serve, *steps = [block.replace("8765", str(port)) for port in [free_port()] for block in blocks]
    wait = (
        f"while ! (echo > /dev/tcp/127.0.0.1/{re.findall(r'1., ([0-9]+)', serve)[0]}) 2> /dev/null; do sleep 0.1; done"
    )
    script = "\n".join(["trap 'kill %1' EXIT", serve, wait, *steps])
    ran = subprocess.run(
        ["bash", "-ec", script],
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "LANG": "C.UTF-8"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=END_S,
        check=False,
    )
    said = ran.stdout
    assert ran.returncode == 0, ran.stderr
    assert "the API was sent: Bearer dummy-value-123456" in said
    assert "inside it is wh_API_KEY_" in said
    assert "you said Bearer ******************" in said
    assert "the key is not in the environment" in said
    assert "refused by rule 'secret': it holds API_KEY in its address, base64" in said
