"""What it means that a TLS handshake with the data store failed, with what to do about it.

OpenSSL names the alert that the other side sent (RFC 8446, 6.2), or what it found itself.
"""

from __future__ import annotations

from flotta.own_names import HOST_SECRET

TRUST_FLEET = "let it trust the CA of the fleet (`ca.crt` of flotta-ca) for client certificates"
# The first of these words in OpenSSL's reason decides. Each sentence goes on after "The data store
# at URL", with the reason at the place of {}.
MEANINGS = (
    (
        ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL"),
        "does not speak TLS 1.3 ({}); let it, the Edge API speaks nothing older",
    ),
    (
        ("HANDSHAKE_FAILURE", "INSUFFICIENT_SECURITY"),
        "finds nothing that both speak ({}); let it speak TLS 1.3 with the usual ciphers and "
        f"curves; if it does, {TRUST_FLEET}",
    ),
    (
        ("UNRECOGNIZED_NAME",),
        "does not serve that host name ({}); use its own name in REMOTE_BACKEND_URL, or let it "
        "serve this one",
    ),
    (
        ("CERTIFICATE_EXPIRED",),
        "takes the certificate of the Edge API for expired ({}); compare the clocks of both; if it "
        f"has expired, remove client.crt and client.key from {HOST_SECRET}: then another is issued",
    ),
    (
        ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "DECRYPT_ERROR"),
        f"does not accept the certificate of the Edge API ({{}}); {TRUST_FLEET}",
    ),
    (
        ("WRONG_VERSION_NUMBER",),
        "does not speak TLS ({}); correct the port in REMOTE_BACKEND_URL, or its scheme",
    ),
    (("ALERT",), "ends the TLS handshake ({}); its log says why"),
)


def explain_tls(reason: str) -> str:
    """Return what OpenSSL's reason says about a store, "" for nothing that is known here."""
    for words, meaning in MEANINGS:
        if any(word in reason for word in words):
            return meaning.format(reason)
    return ""
