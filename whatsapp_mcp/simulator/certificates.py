"""A certificate authority for one run, and the TLS context of a server whose certificate it signs."""

import datetime
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_named(subject))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 30 * _DAY)
    )


class Authority:
    """An EC P-256 certificate authority with one leaf for all `names` (wildcards allowed).

    Attributes:
        ca_pem: The authority's own certificate, for a client's `SSL_CERT_FILE`.
        server_context: The server's TLS context; it offers no ALPN, which keeps clients on HTTP/1.1.
    """

    def __init__(self, names: list[str]) -> None:
        ca_name = "whatsapp-mcp simulator"
        ca_key = ec.generate_private_key(ec.SECP256R1())
        ca = (
            _builder(ca_name, ca_name, ca_key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(ca_key, hashes.SHA256())
        )
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = (
            _builder(names[0], ca_name, key)
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
            )
            .sign(ca_key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        self.ca_pem = ca.public_bytes(pem)
        self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        with tempfile.TemporaryDirectory() as folder:
            chain = Path(folder) / "leaf.pem"
            chain.touch(0o600)
            chain.write_bytes(private + leaf.public_bytes(pem))
            self.server_context.load_cert_chain(chain)
