"""TLS connections to the Edge API, and sentences that explain why one failed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from datetime import timedelta

from cryptography import x509

from flotta.backoff import Backoff
from flotta.gateway.clock import Clock
from flotta.gateway.errors import ProbablyRefused, Unreachable, UntrustedServer
from flotta.gateway.identity import Identity
from flotta.gateway.proxy import find_proxy, open_tunnel
from flotta.gateway.settings import Settings
from flotta.protocol.reasons.device_programs import CLOCK_DIFFERS

log = logging.getLogger(__name__)

ADDRESS_DELAY = 0.25  # seconds until the next address is tried too (RFC 8305, 8)
CLOCK_SKEW = timedelta(minutes=5)  # that a server is ahead without a warning
CONNECT_RETRY = 0.1, 1.6  # seconds: the first delay, the longest
MAX_RETRIES = 7  # of one connection, 6.3 seconds in all

REFUSED = (
    "the server closed the connection without a response: probably refused, certificate not from "
    "this fleet's CA. Compare {cert} with the CA of the Edge API (Secret flotta-ca). If the "
    "control plane was installed again, run the role flotta.edge.device again."
)
UNTRUSTED = (
    "server certificate is not from this device's CA or not for the name in config.toml "
    "({reason}); nothing was sent. Compare server in config.toml and the CAs in {trusted} with the "
    "Edge API's certificate. If the CA of the fleet was replaced, run the role flotta.edge.device "
    "again."
)


class TlsConnection:
    """One TLS connection: its reader and writer, and the identity that this side showed."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, identity: Identity
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.identity = identity

    @property
    def usable(self) -> bool:
        """Whether the connection is open, as far as this side knows."""
        return not self.reader.at_eof() and not self.writer.is_closing()

    def abort(self) -> None:
        """Close the connection without waiting for anything."""
        self.writer.transport.abort()


async def connect(
    settings: Settings, context: ssl.SSLContext, clock: Clock, identity: Identity, trusted: str
) -> TlsConnection:
    """Return a new connection, or raise Unreachable, UntrustedServer or ProbablyRefused.

    `context` shows the certificate of `identity`; `trusted` names the files with its CAs.
    """
    try:
        reader, writer = await _open_with_retries(settings, context)
    except ssl.SSLCertVerificationError as error:
        raise UntrustedServer(
            UNTRUSTED.format(reason=error.verify_message, trusted=trusted)
        ) from error
    except ssl.SSLError as error:
        raise ProbablyRefused(
            f"the server refused the TLS handshake ({error.reason or error})"
        ) from error
    except (OSError, ValueError, TimeoutError) as error:
        reason = str(error) or f"no response within {settings.timing.connect_timeout:.0f} s"
        raise Unreachable(f"{settings.server} cannot be reached: {reason}") from error
    connection = TlsConnection(reader, writer, identity)
    _set_socket_options(writer, settings)
    _check_validity(writer, clock)
    return connection


async def _open_with_retries(
    settings: Settings, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Retry soon when nothing listens: a server is starting, or a replica has just ended."""
    backoff = Backoff(*CONNECT_RETRY, jitter=0.0)
    while backoff.failures < MAX_RETRIES:
        with contextlib.suppress(ConnectionRefusedError, ConnectionResetError):
            return await _open_stream(settings, context)
        await asyncio.sleep(backoff.next())
    return await _open_stream(settings, context)


async def _open_stream(
    settings: Settings, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    limit = settings.timing.connect_timeout
    proxy = find_proxy(settings.host)
    async with asyncio.timeout(2 * limit):
        if proxy is not None:
            reader, writer = await open_tunnel(proxy, settings.server)
            await writer.start_tls(
                context, server_hostname=settings.host, ssl_handshake_timeout=limit
            )
            return reader, writer
        return await asyncio.open_connection(
            settings.host,
            settings.port,
            ssl=context,
            server_hostname=settings.host,
            ssl_handshake_timeout=limit,
            happy_eyeballs_delay=ADDRESS_DELAY,
        )


def _set_socket_options(writer: asyncio.StreamWriter, settings: Settings) -> None:
    """Notice a broken path (NAT, mobile networks) sooner than TCP would."""
    sock = writer.get_extra_info("socket")
    milliseconds = int(settings.timing.response_timeout * 1000)
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


_warned: set[int] = set()


def _check_validity(writer: asyncio.StreamWriter, clock: Clock) -> None:
    """Warn, once for each certificate, when the time is not in the server certificate's validity.

    The context does not check it, because a device whose clock is wrong must still reach its server
    (docs/reference/wire-protocol.md#tls). Chain, name and possession of the key are verified.
    """
    der = writer.get_extra_info("ssl_object").getpeercert(True)
    certificate = x509.load_der_x509_certificate(der)
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    clock.raise_floor(start)
    now = clock.now()
    if start - CLOCK_SKEW <= now <= end or certificate.serial_number in _warned:
        return
    _warned.add(certificate.serial_number)
    log.warning(
        "The server certificate is valid from %s to %s, but it is %s here. Either the control "
        "plane has not renewed it, or this device's clock is wrong. The connection is used anyway. "
        "[%s]",
        *(moment.isoformat(timespec="seconds") for moment in (start, end, now)),
        CLOCK_DIFFERS,
    )
