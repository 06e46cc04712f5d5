"""gRPC goes through: calls with one answer and with many, errors, and keys that are put in their place on the way."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import anyio.to_thread
import pytest
from cryptography.hazmat.primitives import serialization

from tests.guard.egress.test_clients import listening
from tests.guard.egress.world import HOST, PLACEHOLDER, SECRET, World

grpc = pytest.importorskip("grpc", reason="grpcio is not installed")
pytestmark = pytest.mark.anyio
WAIT_S = 20
KEY = (("authorization", f"Bearer {PLACEHOLDER.decode()}"),)
Seen = list[tuple[str, bytes]]


def answering(seen: Seen) -> dict[str, Any]:
    """Give methods that say things back, one by one, or fail."""

    def key(context: Any) -> str:
        return str(dict(context.invocation_metadata()).get("authorization", ""))

    def once(request: bytes, context: Any) -> bytes:
        seen.append((key(context), request))
        context.set_trailing_metadata((("x-seen", key(context)),))
        return b"once " + request + key(context).encode()

    def often(request: bytes, context: Any) -> Iterator[bytes]:
        return (b"%d " % number + request for number in range(int(request)))

    def together(requests: Iterator[bytes], context: Any) -> bytes:
        return b"+".join(requests)

    def fails(request: bytes, context: Any) -> bytes:
        context.abort(grpc.StatusCode.NOT_FOUND, "nobody is here")
        raise AssertionError("it was broken off")

    return {
        "Once": grpc.unary_unary_rpc_method_handler(once),
        "Often": grpc.unary_stream_rpc_method_handler(often),
        "Together": grpc.stream_unary_rpc_method_handler(together),
        "Fails": grpc.unary_unary_rpc_method_handler(fails),
    }


@contextmanager
def served(outside: World, methods: dict[str, Any]) -> Iterator[int]:
    """Serve methods over TLS as the host."""
    made = grpc.server(ThreadPoolExecutor(4))
    made.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.Service", methods),))
    private = outside.internet._leaf_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    shown = grpc.ssl_server_credentials([(private, outside.internet._leaf(HOST))])
    port = made.add_secure_port("127.0.0.1:0", shown)
    made.start()
    try:
        yield port
    finally:
        made.stop(None).wait(WAIT_S)


def calls(outside: World, proxy: int, port: int) -> dict[str, Any]:
    """Make every kind of call, as a program inside does."""
    trusting = grpc.ssl_channel_credentials(outside.authority.certificate)
    options = (("grpc.http_proxy", f"http://127.0.0.1:{proxy}"),)
    said: dict[str, Any] = {}
    with grpc.secure_channel(f"{HOST}:{port}", trusting, options) as channel:
        said["once"], call = channel.unary_unary("/t.Service/Once").with_call(b"hello ", timeout=WAIT_S, metadata=KEY)
        said["trailer"] = dict(call.trailing_metadata())["x-seen"]
        said["often"] = list(channel.unary_stream("/t.Service/Often")(b"3", timeout=WAIT_S))
        said["together"] = channel.stream_unary("/t.Service/Together")(iter([b"a", b"b"]), timeout=WAIT_S)
        said["large"] = len(channel.unary_unary("/t.Service/Once")(b"x" * 1_000_000, timeout=WAIT_S))
        for name, method, request in (("fails", "Fails", b""), ("refused", "Once", b"this is forbidden")):
            try:
                channel.unary_unary(f"/t.Service/{method}")(request, timeout=WAIT_S)
            except grpc.RpcError as error:
                said[name] = (error.code().name, error.details())
    return said


async def test_calls_of_every_kind_are_answered(outside: World) -> None:
    seen: Seen = []
    async with listening(outside) as proxy:
        with served(outside, answering(seen)) as port:
            said = await anyio.to_thread.run_sync(calls, outside, proxy, port)
    filled = f"Bearer {'*' * len(SECRET)}"
    assert said == {
        "once": b"once hello " + filled.encode(),
        "trailer": filled,
        "often": [b"0 3", b"1 3", b"2 3"],
        "together": b"a+b",
        "large": 1_000_005,
        "fails": ("NOT_FOUND", "nobody is here"),
        "refused": (
            "PERMISSION_DENIED",
            "workhand: refused by rule 'content': it says what must not be said.",
        ),
    }
    assert seen[0] == (f"Bearer {SECRET.decode()}", b"hello ")
    assert {outgoing.target for outgoing in outside.gate.inspected} == {
        f"/t.Service/{name}" for name in ("Once", "Often", "Together", "Fails")
    }
