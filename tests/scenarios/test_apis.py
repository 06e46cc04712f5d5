"""An API is called from a machine as a module, with a key that is nowhere in it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apis.answering import Answering, served
from tests.cli.command import BEGIN, DELIVER, PLAN, Workhand, shell

pytestmark = pytest.mark.usefixtures("require_bubblewrap")
VALUE = "dummy-value-123456"
BOLTS = Path(__file__).parents[1] / "apis" / "bolts.yaml"
CALL = """python3 - <<'END'
from apis.bolts import connect
from apis.bolts.api.bolts import add_bolt, get_bolt, list_bolts
from apis.bolts.models import Bolt, BoltThread
client = connect(raise_on_unexpected_status=True)
print([each.thread.value for each in list_bolts.sync(client=client, limit=3)])
print(add_bolt.sync_detailed(client=client, body=Bolt(id=9, thread=BoltThread.M8)).parsed.made.year)
print(get_bolt.sync(7, client=client).to_dict()["head"])
END"""
LOOK = f"echo $KEY; env | grep -c {VALUE}; grep -rlI {VALUE} /opt/python /home /tmp /run /etc /proc/self/environ"
INDEX = "/opt/python/apis/bolts/INDEX.md"


@pytest.fixture
def bolts() -> Iterator[Answering]:
    from ruamel.yaml import YAML

    with served(Answering(YAML(typ="safe").load(BOLTS.read_text()), prefix="/v1")) as api:
        yield api


def add(workhand: Workhand, bolts: Answering, name: str = "bolts", *options: str) -> str:
    address = f"host.internal:{bolts.port}"
    assert workhand("secrets", "add", "KEY", "--host", address, stdin=VALUE).code == 0
    where = ("--openapi", str(BOLTS), "--base-url", f"http://{address}/v1", "--secret", "KEY")
    ran = workhand("api", "add", name, *where, *options)
    assert ran.code == 0, ran.err
    return address


def test_a_session_calls_an_api_whose_key_it_never_sees(workhand: Workhand, bolts: Answering) -> None:
    address = add(workhand, bolts)
    model = workhand.script(PLAN, BEGIN, shell(f"grep bolts. {INDEX}"), shell(CALL), shell(LOOK), DELIVER)
    ran = workhand("run", "--model", model, "--api", "bolts", "Use bolts")
    assert ran.code == 0, ran.err
    events = [each["event"] for each in workhand.events(workhand.session())]
    assert f"- bolts: 3 operations at {address} ({INDEX})" in events[0]["policy"]["system_prompt"]
    index, called, looked = [each["observation"]["full"] for each in events if "observation" in each][-4:-1]
    assert "- bolts.list_bolts(limit=) GET /bolts: List the bolts" in index
    assert "- bolts.add_bolt(body: Bolt) POST /bolts: Add a bolt" in index
    assert "['M6']\n2026\n{'kind': 'hex'}" in called, called
    assert "wh_KEY_" in looked and "\n0" in looked and "/opt" not in looked, looked
    assert [(each.method, each.target) for each in bolts.sent] == [
        ("GET", "/v1/bolts?limit=3"),
        ("POST", "/v1/bolts"),
        ("GET", "/v1/bolts/7"),
    ]
    assert {each.headers["authorization"] for each in bolts.sent} == {f"Bearer {VALUE}"}
    assert json.loads(bolts.sent[1].body) == {"id": 9, "thread": "M8"}
    kept = [path.read_bytes() for path in (workhand.home / "apis").rglob("*") if path.is_file()]
    assert not any(VALUE.encode() in content for content in kept)


@pytest.mark.machines
@pytest.mark.parametrize(
    ("options", "header", "value"),
    [
        (("--scheme", "token"), "x-token", VALUE),
        (("--scheme", "person", "--user", "ann"), "authorization", f"ann:{VALUE}"),
        (("--scheme", "person"), "authorization", VALUE),
        (("--scheme", "crumb"), "cookie", f"crumb={VALUE}"),
    ],
)
def test_a_key_travels_as_the_api_wants_it(
    workhand: Workhand, bolts: Answering, options: tuple[str, ...], header: str, value: str
) -> None:
    add(workhand, bolts, "bolts", *options)
    code = "from apis.bolts import connect; from apis.bolts.api.bolts import list_bolts; "
    code += "print(list_bolts.sync_detailed(client=connect()).status_code.value)"
    ran = workhand("sandbox", "exec", "--api", "bolts", "--", "python3", "-c", code)
    assert (ran.code, ran.out) == (0, "200\n"), ran.err
    sent = bolts.sent[0].headers[header]
    assert (base64.b64decode(sent.removeprefix("Basic ")).decode() if sent.startswith("Basic ") else sent) == value


def test_a_session_that_does_not_reach_an_api_has_nothing_of_it(workhand: Workhand, bolts: Answering) -> None:
    add(workhand, bolts)
    model = workhand.script(PLAN, BEGIN, shell("ls /opt; env | grep -c PYTHONPATH"), DELIVER)
    for network in (("--network", "none"), ("--network", "example.com"), ()):
        assert workhand("run", "--model", model, *network, "Use bolts").code == 0
        said = json.dumps(workhand.events(workhand.session()))
        assert "INDEX.md" not in said and "python" not in said.split("ToolReturned")[-1]
    ran = workhand("sandbox", "exec", "--network", f"host.internal:{bolts.port}", "--", "cat", INDEX)
    assert ran.code == 0 and ran.out.startswith("# bolts: Bolts 1.2\n"), ran.err
