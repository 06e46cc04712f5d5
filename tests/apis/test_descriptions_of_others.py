"""Five descriptions that nobody here wrote: each becomes a module that calls a server which answers by it.

``tests/apis/descriptions.sh DIRECTORY`` takes them out of packages; ``API_DESCRIPTIONS`` names the directory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apis.answering import Answering, served
from tests.cli.command import Workhand

TAKEN = Path(os.environ.get("API_DESCRIPTIONS", "/nowhere"))
VALUE = "dummy-value-123456"
CALLING = Path(__file__).with_name("calling.py")
# For each: the header that the key travels in, how many operations there are, and the calls and answers that are read.
KNOWN = {
    "figma": ("x-figma-token", VALUE, 54),
    "blockfrost": ("project_id", VALUE, 127),
    "galaxy": ("authorization", f"Bearer {VALUE}", 10),
    "airflow": ("authorization", f"Bearer {VALUE}", 125),
    "github": ("authorization", f"Bearer {VALUE}", 1220),
}

pytestmark = [
    pytest.mark.machines,
    pytest.mark.skipif(not (TAKEN / "airflow.yaml").exists(), reason="API_DESCRIPTIONS names no directory of them"),
]


@pytest.fixture
def workhand(tmp_path: Path) -> Iterator[Workhand]:
    yield Workhand(tmp_path)


@pytest.mark.parametrize("name", KNOWN)
def test_an_api_that_others_described_is_called_from_a_machine(workhand: Workhand, name: str) -> None:
    from ruamel.yaml import YAML

    header, value, count = KNOWN[name]
    (file,) = TAKEN.glob(f"{name}.*")
    with served(Answering(YAML(typ="safe").load(file.read_text()), prefix="/v9")) as api:
        address = f"host.internal:{api.port}"
        assert workhand("secrets", "add", "KEY", "--host", address, stdin=VALUE).code == 0
        where = ("--openapi", str(file), "--base-url", f"http://{address}/v9", "--secret", "KEY")
        added = workhand("api", "add", name, *where)
        assert added.code == 0 and f"{name} is added: {count} operations" in added.out, added.err
        inside = ("sandbox", "exec", "--api", name, "--")
        ran = workhand(*inside, "python3", "-", name, stdin=CALLING.read_text())
        look = f"env | grep -c {VALUE}; grep -rlI {VALUE} /opt /home /tmp /run /etc /proc/self/environ; env | grep ^KEY"
        looked = workhand(*inside, "sh", "-c", look)
    assert ran.code == 0, ran.err
    said = json.loads(ran.out)
    misread = {each: parsed for each, (_, parsed) in said["calls"].items() if isinstance(parsed, str)}
    assert said["modules"] > count and len(said["calls"]) >= 4
    assert {status // 100 for status, _ in said["calls"].values()} == {2}, said["calls"]
    assert len(misread) <= len(said["calls"]) // 4, misread
    assert len(api.sent) == len(said["calls"]) + len(misread)
    assert {each.headers.get(header) for each in api.sent} == {value}
    assert looked.out.startswith("0\nKEY=wh_KEY_") and VALUE not in looked.out, looked.out
