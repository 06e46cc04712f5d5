"""A PostgreSQL server of the test's own, on the loopback, with a table to read and roles that may do more or less."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PASSWORD = "dummy-value-123456"
SETUP = f"""
CREATE TABLE orders (id int, thing text, price numeric, paid boolean, day date, note jsonb);
INSERT INTO orders SELECT n, 'bolt ' || n, n / 4.0, n % 2 = 0, date '2026-01-01' + n, '{{"a": [1]}}'
    FROM generate_series(1, 1000) n;
COMMENT ON TABLE orders IS 'What was sold';
CREATE TABLE hidden (secret text);
CREATE SEQUENCE numbers;
CREATE FUNCTION careless() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM orders RETURNING 1';
CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE operator LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_read_server_files;
GRANT SELECT ON orders TO reader, operator;
GRANT INSERT, UPDATE, DELETE ON orders TO reader;
GRANT ALL ON SEQUENCE numbers TO reader;
ANALYZE orders;
"""


@dataclass(frozen=True, slots=True)
class Server:
    port: int
    directory: Path

    def address(self, user: str = "reader", password: str = PASSWORD) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/postgres"

    def says(self, text: str) -> str:
        """Ask as the one who may do everything, over the socket that only that user reaches."""
        argv = [_program("psql"), "-h", str(self.directory), "-p", str(self.port), "-X", "-A", "-t", "-q"]
        argv += ["-v", "ON_ERROR_STOP=1", "postgres"]
        return _as_its_user(argv, self.directory, text).strip()


@contextmanager
def running() -> Iterator[Server]:
    """Start a server, by its own user if we are root; skip where there is none to start."""
    found = _program("initdb")
    if not found:
        if "CI" in os.environ:
            pytest.fail("PostgreSQL is not installed")
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="workhand-test-") as made:
        home = Path(made)
        if os.geteuid() == 0:
            os.chown(home, pwd.getpwnam("postgres").pw_uid, -1)
        yield from _started(home, found)


def _started(home: Path, initdb: str) -> Iterator[Server]:
    _as_its_user([initdb, "-D", str(home / "data"), "-A", "scram-sha-256", "--auth-local=peer", "--no-sync"], home)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home} -c fsync=off"
    control = [_program("pg_ctl"), "-D", str(home / "data"), "-l", str(home / "log"), "-w"]
    _as_its_user([*control, "-o", settings, "start"], home)
    try:
        server = Server(port, home)
        server.says(SETUP)
        yield server
    finally:
        _as_its_user([*control, "-m", "immediate", "stop"], home)


def _program(name: str) -> str:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return shutil.which(name, path=os.pathsep.join([*map(str, places), os.environ.get("PATH", os.defpath)])) or ""


def _as_its_user(argv: list[str], directory: Path, stdin: str = "") -> str:
    if os.geteuid() == 0:
        argv = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--", *argv]
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    ran = subprocess.run(argv, input=stdin, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
