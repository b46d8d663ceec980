"""The one place that makes SSL contexts (docs/reference/wire-protocol.md#tls).

Both sides leave the check of validity periods to the application (`NO_CHECK_TIME`): a server has to
answer a device whose certificate has expired, and a device whose clock says 1970 has to reach its
server. `peers.Peer.valid_at` and the gateway's own check replace it.
"""

from __future__ import annotations

import functools
import ssl
from collections.abc import Sequence
from pathlib import Path

NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL; the ssl module has no name for it

Trust = Path | str | bytes  # a path, or the PEM text itself as bytes


def server_context(
    cert_path: Path | str,
    key_path: Path | str,
    client_ca_paths: Trust | Sequence[Trust],
    *,
    check_time: bool = False,
) -> ssl.SSLContext:
    """Return a TLS 1.3 server context that requires a client certificate of the given CAs.

    Sessions are not resumed: a resumed one would skip the verification of the certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0
    context.load_cert_chain(cert_path, key_path)
    _add_trusted(context, client_ca_paths)
    _set_verification(context, check_time=check_time)
    return context


def open_server_context(cert_path: Path | str, key_path: Path | str) -> ssl.SSLContext:
    """Return a TLS 1.2 or later server context without client certificates (S3, IAM)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert_path, key_path)
    return context


def client_context(
    ca: Trust | Sequence[Trust],
    cert_path: Path | str | None = None,
    key_path: Path | str | None = None,
    *,
    check_time: bool = False,
) -> ssl.SSLContext:
    """Return a TLS 1.3 client context that trusts the given CAs only and checks the host name.

    With `check_time=False` the caller checks the server certificate's validity period itself.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    _add_trusted(context, ca)
    _set_verification(context, check_time=check_time)
    if cert_path is not None:
        context.load_cert_chain(cert_path, key_path)
    return context


@functools.cache
def unverified_client_context() -> ssl.SSLContext:
    """Return a client context for any certificate: that of a pod which its own device probes.

    Nothing secret is sent, and whether the server is the right one is not the question.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _add_trusted(context: ssl.SSLContext, trust: Trust | Sequence[Trust]) -> None:
    for ca in [trust] if isinstance(trust, Path | str | bytes) else trust:
        if isinstance(ca, bytes):
            context.load_verify_locations(cadata=ca.decode())
        else:
            context.load_verify_locations(cafile=ca)


def _set_verification(context: ssl.SSLContext, *, check_time: bool) -> None:
    # A fleet's CA may be an intermediate of the user's own PKI: it is a trust anchor all the same.
    flags = context.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags = flags if check_time else ssl.VerifyFlags(flags | NO_CHECK_TIME)
