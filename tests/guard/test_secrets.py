"""Secrets are kept, go only where they may, and come back nowhere."""

from __future__ import annotations

import base64
import pickle
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workhand.errors import ConfigError
from workhand.guard.exchange import Outgoing
from workhand.guard.placing import StreamRedactor, is_for, placed, spellings
from workhand.guard.secrets import Held, Secret, SecretStore

VALUE = "dummy-value-123456"
HOSTS = ("api.example.com",)
SECRET = Secret("KEY", HOSTS, "wh_KEY_0123456789abcdef")
HELD = Held(SECRET, VALUE.encode())
TOKEN = SECRET.placeholder.encode()
MANY = """
import sys
from pathlib import Path
from workhand.guard.secrets import SecretStore
store = SecretStore(Path(sys.argv[1]), use_keyring=False)
for number in range(10):
    store.add(f"{sys.argv[2]}_{number}", "dummy-value", hosts=("a.example",))
"""


def store(directory: Path, passphrase: str = "") -> SecretStore:
    return SecretStore(directory / "secrets", passphrase=passphrase, use_keyring=False)


def request(*headers: tuple[bytes, bytes], body: bytes = b"", target: str = "/") -> Outgoing:
    return Outgoing("https", "api.example.com", 443, "POST", target, headers, body)


@pytest.mark.parametrize("passphrase", ["", "open sesame"])
def test_a_secret_is_kept_and_its_value_is_in_no_file(tmp_path: Path, passphrase: str) -> None:
    added = store(tmp_path, passphrase).add("KEY", VALUE, hosts=HOSTS)
    (held,) = store(tmp_path, passphrase).held()
    assert (held.secret, held.value) == (added, VALUE.encode())
    files = [file for file in (tmp_path / "secrets").iterdir() if file.name != "lock"]
    assert all(VALUE.encode() not in file.read_bytes() for file in files)
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_another_value_keeps_the_placeholder(tmp_path: Path) -> None:
    first = store(tmp_path).add("KEY", VALUE, hosts=HOSTS)
    second = store(tmp_path).add("KEY", "other-" + VALUE, hosts=("b.example",), path="/v1", body=True)
    assert second == Secret("KEY", ("b.example",), first.placeholder, "/v1", True)
    assert store(tmp_path).held()[0].value == f"other-{VALUE}".encode()
    store(tmp_path).remove("KEY")
    assert store(tmp_path).held() == ()


def test_two_processes_lose_nothing(tmp_path: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", MANY, str(tmp_path / "secrets"), name]) for name in ("A", "B")]
    assert [each.wait() for each in running] == [0, 0]
    assert len(store(tmp_path).held()) == 20


@pytest.mark.parametrize(
    ("name", "value", "hosts", "path", "complaint"),
    [
        ("key", VALUE, HOSTS, "/", "capital letters"),
        ("A" * 65, VALUE, HOSTS, "/", "capital letters"),
        ("KEY", "abcde", HOSTS, "/", "has 5 characters"),
        ("KEY", "x" * 16_385, HOSTS, "/", "has 16385 characters"),
        ("KEY", "dummy\nvalue", HOSTS, "/", "line break"),
        ("KEY", VALUE, (), "/", "needs a host"),
        ("KEY", VALUE, HOSTS, "v1", "begin with a slash"),
    ],
)
def test_what_cannot_be_kept_is_said(
    tmp_path: Path, name: str, value: str, hosts: tuple[str, ...], path: str, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint) as raised:
        store(tmp_path).add(name, value, hosts=hosts, path=path)
    assert value not in str(raised.value)
    assert store(tmp_path).names() == ()


def test_a_wrong_passphrase_and_a_damaged_file_are_told(tmp_path: Path) -> None:
    store(tmp_path, "right").add("KEY", VALUE, hosts=HOSTS)
    with pytest.raises(ConfigError, match="WORKHAND_PASSPHRASE"):
        store(tmp_path, "wrong").held()
    with pytest.raises(ConfigError, match="WORKHAND_PASSPHRASE"):
        store(tmp_path).add("OTHER", VALUE, hosts=HOSTS)
    assert store(tmp_path, "right").held()[0].value == VALUE.encode()
    (tmp_path / "secrets" / "secrets.json").write_text("{")
    with pytest.raises(ConfigError, match="damaged"):
        store(tmp_path, "right").names()


def test_a_value_shows_itself_nowhere() -> None:
    assert VALUE not in repr(HELD) and VALUE not in str(HELD)
    with pytest.raises(TypeError, match="not to be copied"):
        pickle.dumps(HELD)


def test_a_value_takes_the_place_of_its_placeholder_in_headers() -> None:
    basic = base64.b64encode(b"user:" + TOKEN)
    before = request((b"authorization", b"Bearer " + TOKEN), (b"x", TOKEN), (b"proxy", b"Basic " + basic), body=TOKEN)
    after = placed(before, [HELD])
    value = VALUE.encode()
    assert after.headers == (
        (b"authorization", b"Bearer " + value),
        (b"x", value),
        (b"proxy", b"Basic " + base64.b64encode(b"user:" + value)),
    )
    assert after.body == TOKEN  # the body was not permitted


def test_in_a_body_only_where_that_is_permitted_and_never_in_an_address() -> None:
    in_body = Held(Secret("KEY", HOSTS, SECRET.placeholder, body=True), VALUE.encode())
    before = request(body=b'{"key":"' + TOKEN + b'"}', target=f"/?k={SECRET.placeholder}")
    after = placed(before, [in_body])
    assert (after.body, after.target) == (b'{"key":"' + VALUE.encode() + b'"}', before.target)


@pytest.mark.parametrize(
    ("hosts", "path", "target", "scheme", "named", "goes"),
    [
        (HOSTS, "/", "/x", "https", False, True),
        (HOSTS, "/", "/x", "http", False, False),
        (HOSTS, "/", "/x", "http", True, True),
        (("*.example.com",), "/", "/", "https", False, True),
        (("example.com",), "/", "/", "https", False, False),
        (("api.example.com:8443",), "/", "/", "https", False, False),
        (HOSTS, "/v1", "/v1", "https", False, True),
        (HOSTS, "/v1", "/v1/x?y", "https", False, True),
        (HOSTS, "/v1", "/v10", "https", False, False),
        (HOSTS, "/v1", "/v1/../v2", "https", False, False),
        (HOSTS, "/v1", "/", "https", False, False),
    ],
)
def test_a_secret_goes_to_its_host_and_path_only(
    hosts: tuple[str, ...], path: str, target: str, scheme: str, named: bool, goes: bool
) -> None:
    outgoing = Outgoing(scheme, "api.example.com", 443, "GET", target, ())  # type: ignore[arg-type]  # one of the two
    assert is_for(Secret("KEY", hosts, "wh", path), outgoing, named=named) is goes


chunks = st.lists(st.one_of(st.binary(max_size=20), st.sampled_from(spellings(VALUE.encode()))), max_size=8)


@given(chunks, st.lists(st.integers(0, 200), max_size=6))
def test_what_comes_back_holds_no_secret_however_it_is_cut(content: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(content)
    redactor = StreamRedactor([VALUE.encode()])
    ends = sorted({0, *(min(cut, len(whole)) for cut in cuts), len(whole)})
    shown = b"".join(redactor.feed(whole[a:b]) for a, b in pairwise(ends)) + redactor.end()
    assert len(shown) == len(whole)
    assert not any(spelling in shown for spelling in spellings(VALUE.encode()))
