"""What goes wrong with a directory of certificates."""

from __future__ import annotations

import errno
import os
import pwd
from pathlib import Path

from flotta.edge_api.backends.backend import BackendError, SecretConflict
from flotta.edge_api.refusals import Refusal
from flotta.protocol.reasons.refusals import CERTIFICATES_UNUSABLE, CONFLICT

FULL = (errno.ENOSPC, errno.EDQUOT)
DENIED = (errno.EACCES, errno.EPERM)


def unusable(sentence: str) -> BackendError:
    """Return the error of a directory that has to be mended; the sentence says how."""
    refusal = Refusal(
        503,
        "the server cannot use its certificates now",
        reason=CERTIFICATES_UNUSABLE,
        retry_after=5,
    )
    return BackendError(sentence, refusal)


def changed(name: str) -> SecretConflict:
    """Return the error of a secret that somebody else wrote meanwhile."""
    refusal = Refusal(
        503,
        "other writers keep changing the same object; send the message again",
        reason=CONFLICT,
        retry_after=2,
    )
    return SecretConflict(f"{name} was changed since it was read", refusal)


def explain(error: OSError, directory: Path) -> BackendError:
    """Return the error for what the file system refused, with what to do about it."""
    place = error.filename or directory
    if error.errno in FULL:
        return unusable(
            f"{place} cannot be written: {error.strerror}. Nothing was changed; free space on the "
            f"file system of {directory}."
        )
    if error.errno in DENIED:
        return unusable(
            f"{place} cannot be used by the user {name_user(os.geteuid())}: {error.strerror}. "
            f"{directory} and what is in it have to belong to the user of flotta-edge-api."
        )
    if error.errno == errno.ENOENT:
        return unusable(
            f"{place} does not exist. The Edge API makes {directory} itself, in a directory that "
            "exists and that its user may write to."
        )
    if error.errno == errno.EROFS:
        return unusable(f"{place} cannot be written: the file system is mounted read-only.")
    return unusable(f"{place} cannot be used: {error.strerror}.")


def name_user(uid: int) -> str:
    """Return the name of a user, or the number of one without a name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
