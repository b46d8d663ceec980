"""Writes certificates, with their keys, for who carries them on."""

from __future__ import annotations

from pathlib import Path

from flotta.durable_files import write_atomically


def write_certificate(folder: Path, stem: str, certificate: str, key: str, authority: str) -> None:
    """Write `STEM.crt`, `STEM.key` and `ca.crt`; each is the former file or the new one.

    Raises ValueError with a sentence.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(folder / "ca.crt", authority.encode(), 0o644)
        write_atomically(folder / f"{stem}.key", key.encode(), 0o600)
        write_atomically(folder / f"{stem}.crt", certificate.encode(), 0o644)
    except OSError as error:
        raise ValueError(
            f"{error.filename or folder} cannot be written: {error.strerror}"
        ) from error
