"""The S3 administrator's access key: a file of `NAME=value` lines, or a folder with a file a name.

Kubernetes mounts a Secret as such a folder; a `ca.crt` in it is the CA of the S3 server.
"""

from __future__ import annotations

from pathlib import Path

from flotta.durable_files import write_atomically
from flotta.storage.access_keys import AccessKey, new_access_key_id, new_secret_key
from flotta.storage.key_store import write_key

ACCESS = "AWS_ACCESS_KEY_ID"
SECRET = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - a name, not a secret
AUTHORITY = "ca.crt"
ADMIN_FILE_MODE = 0o600  # only its owner: the key opens every bucket
# Set-group-id: key files belong to the group of the directory, not of the writer (key_store).
KEY_DIRECTORY_MODE = 0o2770


def read_administrator(path: Path) -> AccessKey:
    """Read the key from a file or folder; raises ValueError with a sentence when it is missing."""
    try:
        values = _read_folder(path) if path.is_dir() else _read_lines(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the S3 administrator's key cannot be read: {error}") from error
    if not values.get(ACCESS) or not values.get(SECRET):
        raise ValueError(
            f"{ACCESS} or {SECRET} is missing in {path}; add both, on Kubernetes to the Secret "
            "flotta-s3-admin (for the embedded S3 server flotta-s3 init does so)"
        )
    return AccessKey(values[ACCESS], values[SECRET], bucket=None)


def authority_file(admin_file: Path, ca_file: Path | None) -> Path | None:
    """Return `ca_file`, else the CA next to the key, None for the CAs of the system."""
    if ca_file is not None:
        return ca_file
    beside = admin_file / AUTHORITY
    return beside if beside.is_file() and beside.stat().st_size else None


def ensure_administrator(path: Path, keys: Path) -> bool:
    """Create the key once and make it known to the server; returns whether anything changed.

    Creates the directory of the keys, too, for the group that owns it. Raises OSError when
    something cannot be written.
    """
    if not keys.is_dir():
        keys.mkdir()
        keys.chmod(KEY_DIRECTORY_MODE)
    created = not path.exists()
    if created:
        key = AccessKey(new_access_key_id(), new_secret_key(), bucket=None)
        text = f"{ACCESS}={key.access_key}\n{SECRET}={key.secret_key}\n"
        write_atomically(path, text.encode(), ADMIN_FILE_MODE)
    return write_key(keys, read_administrator(path)) or created


def _read_lines(path: Path) -> dict[str, str]:
    items = (line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, value in items}


def _read_folder(path: Path) -> dict[str, str]:
    files = [path / name for name in (ACCESS, SECRET)]
    return {file.name: file.read_text().strip() for file in files if file.is_file()}
