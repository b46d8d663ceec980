"""Names on both sides: bucket keys and paths below an export directory, normalised once.

Keys are never made from URLs and never resolved: a name with `..`, an empty segment, a NUL byte or
an absolute path has no counterpart on the other side and is refused with a reason. Examples:
docs/reference/device.md#paths-and-keys.
"""

from __future__ import annotations

NAME_LIMIT = 255  # bytes, of Linux' file systems
PATH_LIMIT = 3072  # bytes, below PATH_MAX with room for the export directory
KEY_LIMIT = 1024  # bytes, of S3
SPOOL_NAME = ".flotta-spool"  # of the folder for partial downloads at the top of a file system


class NameRefusedError(ValueError):
    """A key or path that cannot be synchronised; the text is the reason."""


def normalize_directory(text: str) -> str:
    """Return a configured directory without leading and trailing slashes; `.` and `/` give ''."""
    parts = [part for part in text.split("/") if part not in ("", ".")]
    for part in parts:
        _check_part(part)
    return "/".join(parts)


def listing_prefix(source: str) -> str:
    """Return the listing prefix of a bucket directory; it ends in `/`, so `log` is not `log2`."""
    name = normalize_directory(source)
    return f"{name}/" if name else ""


def key_below(target: str, relative: str) -> str:
    """Return the key of a file `relative` to an egress source directory."""
    return _checked_key(f"{listing_prefix(target)}{relative}")


def key_of_single_file(target: str, name: str) -> str:
    """Return the key when an egress source is one file.

    The target itself, or the target and the file's name if the target is empty or ends with `/`.
    """
    base = normalize_directory(target)
    if not base or target.endswith("/"):
        return key_below(target, name)
    return _checked_key(base)


def path_of_key(source: str, target: str, key: str) -> str:
    """Return the path below the export directory for a listed key, or raise NameRefusedError."""
    relative = key.removeprefix(listing_prefix(source))
    if len(relative) == len(key) and listing_prefix(source):
        raise NameRefusedError("the key is outside the listed directory")
    parts = relative.split("/")
    if any(part == "" for part in parts):
        raise NameRefusedError("the key has an empty segment or a slash at its end or beginning")
    for part in parts:
        _check_part(part)
    base = normalize_directory(target)
    path = f"{base}/{relative}" if base else relative
    if len(path.encode()) > PATH_LIMIT:
        raise NameRefusedError(f"the path is longer than {PATH_LIMIT} bytes")
    return path


def check_workload_name(name: str) -> str:
    """Return the name if it can be one directory's name, otherwise raise NameRefusedError."""
    if not name or "/" in name:
        raise NameRefusedError(f"{name!r} is not a workload name")
    _check_part(name)
    return name


def _check_part(part: str) -> None:
    if part in (".", ".."):
        raise NameRefusedError(f"`{part}` is not allowed in a path")
    if part == SPOOL_NAME:
        raise NameRefusedError(f"`{part}` is for downloads in progress")
    if "\0" in part:
        raise NameRefusedError("the name has a NUL byte")
    if len(part.encode("utf-8", "surrogatepass")) > NAME_LIMIT:
        raise NameRefusedError(f"a name is longer than {NAME_LIMIT} bytes")


def _checked_key(key: str) -> str:
    if len(key.encode()) > KEY_LIMIT:
        raise NameRefusedError(f"the key would be longer than {KEY_LIMIT} bytes")
    return key
