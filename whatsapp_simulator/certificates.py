"""A certificate authority for one run, and the TLS context of a server whose certificate it signs."""

import ssl

import trustme


class Authority:
    """A certificate authority with one leaf for all `names` (wildcards allowed).

    Attributes:
        ca_pem: The authority's own certificate, for a client's `SSL_CERT_FILE`.
        server_context: The server's TLS context; it offers no ALPN, which keeps clients on HTTP/1.1.
    """

    def __init__(self, names: list[str]) -> None:
        authority = trustme.CA(organization_name="whatsapp-mcp simulator")
        self.ca_pem = authority.cert_pem.bytes()
        self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(self.server_context)
