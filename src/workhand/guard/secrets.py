"""Secrets: what they are called, where they may go, and where their values are kept.

A machine is given a placeholder.  The value is put in its place by the proxy, on its way to a host that the
secret is for, and exists nowhere inside.  Values are kept by the system's keyring where there is one that works, else
in a file that is encrypted with a key beside it, or with a passphrase; ``SecretStore.kept_by`` says which, and what
that is worth.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workhand import private
from workhand.errors import ConfigError

NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
VALUE_CHARS_MIN, VALUE_CHARS_MAX = 8, 16_384
SERVICE = "workhand"
SCRYPT_COST = 1 << 15


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as everybody may see it."""

    name: str
    hosts: tuple[str, ...]  # "api.example.com", "*.example.com", "127.0.0.1:8000"
    placeholder: str
    path: str = "/"  # requests whose path begins so
    body: bool = False  # whether it may stand in a body, beside the headers


@dataclass(frozen=True, slots=True)
class Held:
    """A secret with its value, which shows itself nowhere."""

    secret: Secret
    value: bytes = field(repr=False)

    def __reduce__(self) -> Any:
        raise TypeError("a secret's value is not to be copied")


class SecretStore:
    """The secrets of one installation, in one directory."""

    def __init__(self, directory: Path, *, passphrase: str = "", use_keyring: bool = True) -> None:
        self._directory = directory
        self._passphrase = passphrase
        self._keyring = _keyring() if use_keyring and not passphrase else None

    @property
    def kept_by(self) -> str:
        """Say what keeps the values, and what that protects from."""
        if self._keyring is not None:
            return "the system's keyring"
        if self._passphrase:
            return "a file encrypted with your passphrase: who has the file learns nothing without it"
        return "a file encrypted with a key beside it, which protects neither from who can read all of your files"

    def names(self) -> tuple[Secret, ...]:
        return tuple(Secret(**each | {"hosts": tuple(each["hosts"])}) for each in self._read("secrets.json"))

    def held(self) -> tuple[Held, ...]:
        """Give all secrets with their values."""
        return tuple(Held(secret, self._value(secret.name)) for secret in self.names())

    def add(self, name: str, value: str, *, hosts: tuple[str, ...], path: str = "/", body: bool = False) -> Secret:
        """Add a secret, or give one another value; its placeholder stays.  Raises ``ConfigError``."""
        _check(name, value, hosts, path)
        with self._locked():
            before = {secret.name: secret for secret in self.names()}
            token = before[name].placeholder if name in before else f"wh_{name}_{os.urandom(16).hex()}"
            secret = Secret(name, hosts, token, path, body)
            self._keep(name, value.encode())
            self._write("secrets.json", [_stated(each) for each in (before | {name: secret}).values()])
        return secret

    def remove(self, name: str) -> None:
        with self._locked():
            left = [secret for secret in self.names() if secret.name != name]
            if len(left) == len(self.names()):
                raise ConfigError(f"There is no secret {name!r}; `workhand secrets` lists those there are.")
            self._write("secrets.json", [_stated(each) for each in left])
            if self._keyring is not None:
                self._keyring.delete_password(SERVICE, name)
            else:
                values = self._values()
                values.pop(name, None)
                self._seal(values)

    # -- values --------------------------------------------------------------------------

    def _value(self, name: str) -> bytes:
        if self._keyring is not None:
            found = self._keyring.get_password(SERVICE, name)
            value: bytes | None = str(found).encode() if found else None
        else:
            value = self._values().get(name)
        if value is None:
            raise ConfigError(f"The value of the secret {name!r} is gone; give it again with `workhand secrets add`.")
        return value

    def _keep(self, name: str, value: bytes) -> None:
        if self._keyring is not None:
            self._keyring.set_password(SERVICE, name, value.decode())
        else:
            self._seal(self._values() | {name: value})

    def _values(self) -> dict[str, bytes]:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        sealed = self._read("values.json")
        if not sealed:
            return {}
        nonce, content = base64.b64decode(sealed["nonce"]), base64.b64decode(sealed["content"])
        try:
            opened = AESGCM(self._key(base64.b64decode(sealed["salt"]))).decrypt(nonce, content, None)
        except InvalidTag as error:
            raise ConfigError(
                f"The secrets in {str(self._directory)!r} cannot be opened; set WORKHAND_PASSPHRASE to the passphrase "
                "they were kept with, or unset it if there was none."
            ) from error
        return {name: base64.b64decode(value) for name, value in json.loads(opened).items()}

    def _seal(self, values: dict[str, bytes]) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        salt, nonce = os.urandom(16), os.urandom(12)
        content = json.dumps({name: base64.b64encode(value).decode() for name, value in values.items()}).encode()
        sealed = AESGCM(self._key(salt)).encrypt(nonce, content, None)
        parts = {"salt": salt, "nonce": nonce, "content": sealed}
        self._write("values.json", {name: base64.b64encode(part).decode() for name, part in parts.items()})

    def _key(self, salt: bytes) -> bytes:
        """Give the key: of the passphrase by scrypt (RFC 7914), or the one that is kept in a file."""
        if self._passphrase:
            from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

            return Scrypt(salt=salt, length=32, n=SCRYPT_COST, r=8, p=1).derive(self._passphrase.encode())
        file = self._directory / "key"
        if not file.exists():
            private.write(file, os.urandom(32))
        return file.read_bytes()

    # -- files ---------------------------------------------------------------------------

    def _read(self, name: str) -> Any:
        file = self._directory / name
        if not file.exists():
            return []
        try:
            return json.loads(file.read_text())
        except ValueError as error:
            raise ConfigError(f"The file {str(file)!r} is damaged; put a backup of it in its place.") from error

    def _write(self, name: str, content: Any) -> None:
        private.write(self._directory / name, json.dumps(content, indent=1).encode())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._directory / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _stated(secret: Secret) -> dict[str, Any]:
    return {name: getattr(secret, name) for name in ("name", "hosts", "placeholder", "path", "body")}


def _check(name: str, value: str, hosts: tuple[str, ...], path: str) -> None:
    if not NAME.fullmatch(name):
        raise ConfigError(f"The name {name!r} is not one of capital letters, digits and underscores, such as API_KEY.")
    if not VALUE_CHARS_MIN <= len(value) <= VALUE_CHARS_MAX:
        raise ConfigError(
            f"The value of {name!r} has {len(value)} characters; it needs {VALUE_CHARS_MIN} to {VALUE_CHARS_MAX:,}, "
            "since a shorter one could not be told from ordinary text."
        )
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise ConfigError(f"The value of {name!r} has a line break or another control character; leave it out.")
    if not hosts:
        raise ConfigError(f"The secret {name!r} needs a host that it is for; give one with --host.")
    if not path.startswith("/"):
        raise ConfigError(f"The path {path!r} does not begin with a slash.")


def _keyring() -> Any:
    """Give the system's keyring if it gives back what it is given; the null and the plain-text ones do not count."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    if getattr(keyring.get_keyring(), "priority", 0) < 1:
        return None
    try:
        keyring.set_password(SERVICE, "probe", "workhand")
        return keyring if keyring.get_password(SERVICE, "probe") == "workhand" else None
    except (KeyringError, RuntimeError, OSError):
        return None
