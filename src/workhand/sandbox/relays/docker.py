"""Run a daemon in a container of a Docker engine, through the engine's API, and remove it at the end.

The container has no network, no capabilities, a read-only root and the engine's own filter of system calls.
The engine ends its input when we are gone, however we went, and a daemon without input ends, and the engine
removes a container that has ended.  What never got so far is swept by the next relay on this host: a label says
which process it belonged to.
"""

from __future__ import annotations

import io
import os
import socket
import struct
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workhand.sandbox.register import started
from workhand.sandbox.relays.splice import CHUNK_BYTES, settings, splice

REQUEST_S = 20
STREAM_HEAD = struct.Struct(">BxxxL")  # which stream, and how much of it follows
HOLDER = "workhand.holder"
GONE = (404, 409)  # removed, or being removed: the engine does so by itself
READABLE, SEARCHABLE = 0o444, 0o755


class Attached:
    """The standard streams of a container, as the engine multiplexes them on one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.send = connection.sendall

    def receive(self) -> Iterator[tuple[int, bytes]]:
        with self.connection.makefile("rb") as incoming:
            while len(head := incoming.read(STREAM_HEAD.size)) == STREAM_HEAD.size:
                stream, rest = STREAM_HEAD.unpack(head)
                while rest and (content := incoming.read1(min(rest, CHUNK_BYTES))):
                    rest -= len(content)
                    yield stream, content

    def hang_up(self) -> None:
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # The engine has closed it, which is as good.


def main() -> None:
    wanted = settings()
    try:
        import docker
        from docker.errors import DockerException, ImageNotFound
    except ImportError:
        raise SystemExit("The package 'docker' is not installed; `pip install 'workhand[docker]'` brings it.") from None
    url, image = wanted["url"], wanted["container"]["image"]
    try:
        client = docker.APIClient(base_url=url, version="auto", timeout=REQUEST_S)
        client.ping()
        facts = check_engine(client.info())
        sweep(client)
        with container(client, wanted) as link:
            splice(link, facts)
    except ImageNotFound:
        raise SystemExit(f"The engine has no image {image!r}; `docker pull {image}` brings it.") from None
    except (DockerException, OSError) as error:
        words = getattr(error, "explanation", None) or error
        raise SystemExit(f"The Docker engine at {url!r} opens no machine: {words}; is it running, and ours?") from None


def check_engine(engine: dict[str, Any]) -> dict[str, object]:
    """Say how an engine holds its containers; refuse one that cannot."""
    options = " ".join(engine.get("SecurityOptions") or ())
    if "name=seccomp" not in options or "profile=unconfined" in options:
        raise SystemExit("The Docker engine filters no system calls; start it with its default seccomp profile.")
    missing = [name for name in ("MemoryLimit", "PidsLimit") if not engine.get(name)]
    if missing:
        raise SystemExit(f"The Docker engine cannot hold {missing!r}; give it control groups, delegated if rootless.")
    notes = [] if engine.get("CpuCfsQuota") else ["The share of the processors is not limited."]
    return {"limits": f"cgroup v{engine.get('CgroupVersion', '1')}", "notes": notes}


def sweep(client: Any) -> None:
    """Remove containers that were made on this host by processes that are gone."""
    for found in client.containers(all=True, filters={"label": [HOLDER]}):
        place, _, holder = found["Labels"][HOLDER].rpartition("/")
        pid, _, start = holder.partition("@")
        if place == own_place() and started(int(pid)) != start:
            remove(client, found["Id"])


def own_place() -> str:
    """Name where our process ids mean something: this start of this host, this process namespace."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + "/" + os.readlink("/proc/self/ns/pid")


@contextmanager
def container(client: Any, wanted: dict[str, Any]) -> Iterator[Attached]:
    """Make a container, put in what it needs, and start it; it is removed at the end."""
    from docker.types import Mount

    mounts = [Mount(target, source, type="bind", read_only=fixed) for target, source, fixed in wanted["binds"]]
    mounts += [Mount(target, None) for target in wanted["files"]]  # places of the engine's own, gone with the container
    held = {**wanted["held"], "mounts": mounts, "auto_remove": True, "log_config": {"Type": "none"}}
    own = os.getpid()
    made = client.create_container(
        **wanted["container"],
        labels={HOLDER: f"{own_place()}/{own}@{started(own)}"},
        stdin_open=True,
        use_config_proxy=False,  # a proxy's address may hold a password
        host_config=client.create_host_config(**held),
    )
    try:
        for target, files in wanted["files"].items():
            client.put_archive(made["Id"], target, archive(files, wanted["links"].get(target, {})))
        channels = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        attached = client.attach_socket(made["Id"], params=channels)
        connection = getattr(attached, "_sock", attached)
        connection.settimeout(None)
        client.start(made["Id"])
        yield Attached(connection)
    finally:
        remove(client, made["Id"])


def remove(client: Any, identity: str) -> None:
    from docker.errors import APIError

    try:
        client.remove_container(identity, v=True, force=True)
    except APIError as error:
        if error.status_code not in GONE:
            raise


def archive(files: dict[str, str], links: dict[str, str]) -> bytes:
    """Pack texts under their names, readable for all and root's, and links with their targets."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as target:
        for name in sorted({os.path.dirname(name) for name in (*files, *links)} - {""}):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, SEARCHABLE
            target.addfile(folder)
        for name, text in files.items():
            content = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), READABLE
            target.addfile(entry, io.BytesIO(content))
        for name, aim in links.items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, aim
            target.addfile(link)
    return packed.getvalue()


if __name__ == "__main__":
    main()
