"""Inputs of an installation that several tests give."""

from __future__ import annotations

from flotta.identity.authority import Authority

CA = Authority.create("Another CA").certificate_pem.decode()
S3 = {
    "device_endpoint": "https://s3.example:9000",
    "endpoint": "http://minio.storage.svc:9000",
    "iam_endpoint": "https://s3.example:9001",
    "access_key": "ADMIN",
    "secret_key": "top-secret",
    "ca_pem": CA,
}
