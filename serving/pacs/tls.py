"""TLS for DICOM connections (PS3.15 B.12: BCP 195)."""

import ssl
from pathlib import Path

from components.errors import PipelineError
from serving.pacs.config import TlsConfig

HANDSHAKE_SECONDS = 10.0
"""How long a listener waits for the other side's part of a handshake: nobody else can connect
meanwhile."""


class _Hurried(ssl.SSLSocket):
    """A connection whose handshake does not wait for ever."""

    def do_handshake(self, block: bool = False) -> None:
        before = self.gettimeout()
        self.settimeout(HANDSHAKE_SECONDS)
        try:
            super().do_handshake(block)
        finally:
            self.settimeout(before)


def server_context(tls: TlsConfig) -> ssl.SSLContext:
    """What a listener needs; it must have a certificate.

    Raises:
        PipelineError: A file is missing or is no such certificate.
    """
    if tls.certificate is None:
        raise PipelineError("listen.tls needs a certificate: name the PEM file.")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.sslsocket_class = _Hurried
    if tls.ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return _loaded(context, tls)


def client_context(tls: TlsConfig) -> ssl.SSLContext:
    """What a sender needs; without `ca` the machine's authorities vouch for the archive.

    Raises:
        PipelineError: A file is missing or is no such certificate.
    """
    return _loaded(ssl.create_default_context(ssl.Purpose.SERVER_AUTH), tls)


def _loaded(context: ssl.SSLContext, tls: TlsConfig) -> ssl.SSLContext:
    file: Path | None = None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if tls.ca is not None:
            file = tls.ca
            context.load_verify_locations(file)
        if tls.certificate is not None:
            file = tls.certificate
            context.load_cert_chain(file, tls.key)
    except OSError as error:  # SSLError is one
        raise PipelineError(
            f"The certificate {file} cannot be used ({error.strerror or error}): name a PEM file."
        ) from error
    return context
