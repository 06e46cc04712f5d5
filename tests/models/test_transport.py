"""Vendors' clients: what they cannot do is said by us, and nothing is loaded that is not there."""

from __future__ import annotations

import sys

import pytest

from tests.models.fault_server import HELLO, fault_server
from tests.models.toolset import ALL, head, prompt, said, unwatched
from workhand.core.mask import Mask
from workhand.errors import ConfigError
from workhand.models.hosted import HostedModel, Patience
from workhand.models.transport import CLOUDS, Vendor
from workhand.models.wire.anthropic import Anthropic
from workhand.models.wire.dialect import Dialect, Server
from workhand.models.wire.openai_chat import OpenAIChat
from workhand.models.wire.openai_responses import OpenAIResponses

pytestmark = pytest.mark.anyio

PROMPT = prompt(*head(), said("Say hello."))
QUICK = Patience(connect_s=5, first_token_s=5, between_chunks_s=5, attempts_max=1)
KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY", "OPENAI_ADMIN_KEY")
KEYLESS: dict[str, Dialect] = {
    "anthropic": Anthropic(Server("anthropic", "http://127.0.0.1:1", "m")),
    "openai": OpenAIResponses(Server("openai", "http://127.0.0.1:1/v1", "m")),
}


@pytest.mark.parametrize("package", KEYLESS)
async def test_a_client_that_finds_no_key_says_so(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=f"client of {package} cannot be used: .*key.*; `workhand models` says"):
        async with HostedModel(KEYLESS[package], vendor=Vendor(package), patience=QUICK) as model:
            await model.answer(PROMPT, ALL, session="s", watch=unwatched)


@pytest.mark.parametrize("package", CLOUDS)
async def test_a_client_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # so that importing it fails
    with pytest.raises(ConfigError, match=rf"pip install 'workhand\[{package}\]'"):
        async with HostedModel(KEYLESS[package], vendor=Vendor(package), patience=QUICK):
            pass


@pytest.mark.parametrize(("package", "cloud"), [(package, cloud) for package in CLOUDS for cloud in CLOUDS[package]])
def test_every_cloud_has_a_client_in_the_vendors_package(package: str, cloud: str) -> None:
    assert hasattr(pytest.importorskip(package), CLOUDS[package][cloud])


async def test_the_bytes_go_through_a_vendors_client_as_they_are() -> None:
    async with fault_server(HELLO) as server:
        dialect = OpenAIChat(Server("openai-chat", server.base_url, "m", "k"), form="native")
        async with HostedModel(dialect, vendor=Vendor("openai"), patience=QUICK) as model:
            answer = await model.answer(PROMPT, Mask("auto", ()), session="s", watch=unwatched)
    assert answer.text == "Hello"
    assert server.bodies == [dialect.request(PROMPT, Mask("auto", ()), session="s").body]
