"""The authority of this installation: it vouches for the proxy towards the machines of its sessions, and nobody else.

Its key never leaves the host's own directory; a machine gets the certificate only.  A stolen key could read what this
installation's machines send, and nothing else: no browser or system of the person's is asked to trust it.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import ipaddress
import os
import ssl
import tempfile
from collections import OrderedDict
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

FILE = "authority.pem"
YEARS = 10
LEAF_DAYS = 30
CONTEXTS_MAX = 256
OWN_USER_ONLY = 0o600
SKEW = datetime.timedelta(days=1)


class Authority:
    """Makes certificates for hosts, each once."""

    def __init__(self, directory: Path, now: datetime.datetime) -> None:
        """Read the authority kept in a directory, or make one there."""
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / FILE
        if not file.exists():
            _publish(file, _made(now))
        content = file.read_bytes()
        self._key = serialization.load_pem_private_key(content, None)
        assert isinstance(self._key, ec.EllipticCurvePrivateKey)
        self._certificate = x509.load_pem_x509_certificate(content)
        self._now = now
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._contexts: OrderedDict[str, ssl.SSLContext] = OrderedDict()

    @property
    def certificate(self) -> bytes:
        """What machines trust, as PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_digest(self) -> str:
        """What a browser can be told to trust: SHA-256, in base64, of the key that is in every host's certificate."""
        public = self._leaf_key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(hashlib.sha256(public).digest()).decode()

    def context(self, host: str) -> ssl.SSLContext:
        """Give the server's side of TLS as this host."""
        if host not in self._contexts:
            self._contexts[host] = self._made_context(host)
            if len(self._contexts) > CONTEXTS_MAX:
                self._contexts.popitem(last=False)
        self._contexts.move_to_end(host)
        return self._contexts[host]

    def _made_context(self, host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.sni_callback = lambda _, name, __: _unless(name in (None, host))
        context.set_alpn_protocols(["http/1.1", "h2"])  # the simpler one, with whoever speaks both
        key = self._leaf_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        descriptor, path = tempfile.mkstemp()  # the library reads certificates from files only
        try:
            os.write(descriptor, key + self._leaf(host))
            context.load_cert_chain(path)
        finally:
            os.close(descriptor)
            os.unlink(path)
        return context

    def _leaf(self, host: str) -> bytes:
        try:
            name: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])]))
            .issuer_name(self._certificate.subject)
            .public_key(self._leaf_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - SKEW)
            .not_valid_after(self._now + datetime.timedelta(days=LEAF_DAYS))
            .add_extension(x509.SubjectAlternativeName([name]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._certificate.public_key()),  # type: ignore[arg-type]  # ours is one of those that it takes
                critical=False,
            )
        )
        assert isinstance(self._key, ec.EllipticCurvePrivateKey)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _unless(right: bool) -> int | None:
    return None if right else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


def _made(now: datetime.datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Workhand's proxy on this computer")])
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def _publish(file: Path, content: bytes) -> None:
    """Put a file in place whole; of two processes the first wins."""
    descriptor, part = tempfile.mkstemp(dir=file.parent)
    try:
        os.fchmod(descriptor, OWN_USER_ONLY)
        os.write(descriptor, content)
        os.fsync(descriptor)
        os.link(part, file)
    except FileExistsError:
        pass  # The other's is as good.
    finally:
        os.close(descriptor)
        os.unlink(part)
