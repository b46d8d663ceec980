"""The storage section of a configuration, in the engine's form."""

from __future__ import annotations

import base64

from flotta.protocol.models import S3StorageConfiguration
from flotta.sync.model import S3Storage
from flotta.worker.errors import ConfigurationError

HTTPS_PORT = 443  # TCP


def decode_storage(section: S3StorageConfiguration) -> S3Storage:
    """Decode the wire form, whose keys and CA are base64; raises ConfigurationError."""
    port = section.bucket_port or HTTPS_PORT
    try:
        access, secret, ca = (
            base64.b64decode(value, validate=True).decode()
            for value in (
                section.aws_access_key_id,
                section.aws_secret_access_key,
                section.aws_ca_bundle,
            )
        )
    except ValueError as error:  # binascii.Error, or characters beyond ASCII on either side
        raise ConfigurationError("the storage section has values that are not base64") from error
    host = f"[{section.bucket_host}]" if ":" in section.bucket_host else section.bucket_host
    return S3Storage(
        endpoint=f"https://{host}:{port}",
        region=section.bucket_region or "us-east-1",
        bucket=section.bucket_name,
        access_key=access,
        secret_key=secret,
        ca_pem=ca or None,
    )
