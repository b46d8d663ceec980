"""The two files that the gateway names, changed so that no crash leaves a pair that does not match.

1. The new pair and the one before are recorded, durably, by one rename.
2. The certificate is written, then the key: agents of v0.2 do it in this order. Both are written in
   place, because a gateway that watches the files themselves does not see a rename.
3. Whoever finds files that do not fit together finishes this from the record: the worker does when
   it starts, when it connects, and before each use.

Files that somebody else changed are left alone: they count, and the record does not.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import threading
from itertools import zip_longest
from pathlib import Path

import msgspec

from flotta.durable_files import read_bounded, sync_directory
from flotta.identity.errors import IdentityError
from flotta.identity.keys import PrivateKey, key_to_pem, load_key, new_key_like
from flotta.protocol.reasons.device_programs import CERTIFICATE_NOT_INSTALLED, CERTIFICATE_UNUSABLE
from flotta.worker.errors import DeliveryError
from flotta.worker.own_certificate.pair import (
    MAX_PEM,
    OpenPair,
    Pair,
    is_certificate,
    is_key,
    open_pair,
)
from flotta.worker.own_certificate.record import Record, read_record, write_record

log = logging.getLogger(__name__)

IN_PLACE = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO must not block


class PairFiles:
    """Reads and replaces key and certificate; `folder` is where the record is."""

    def __init__(self, folder: Path, cert_file: Path, key_file: Path) -> None:
        self._folder = folder
        self._cert_file = cert_file
        self._key_file = key_file
        self._lock = threading.Lock()  # calls run in threads, which a cancelled task leaves behind

    def load(self) -> OpenPair:
        """Return what the files have, after an interrupted change was finished.

        Raises DeliveryError when they do not have a usable pair.
        """
        with self._lock:
            return self._load()

    def pending_key(self) -> PrivateKey:
        """Return the key of the next certificate: the current one, once that is the device's own.

        Before, it is a new one, which is kept until its certificate is there.
        """
        with self._lock:
            present = self._load()
            return present.key if present.is_device else self._ensure_pending(present)

    def install(self, pair: Pair) -> None:
        """Make this pair the content of the files; raises DeliveryError when that fails."""
        with self._lock:
            before = self._load().pair
            self._record(current=pair, before=before)
            self._write(pair)

    def note_accepted(self) -> None:
        """Forget what was there before: the control plane has accepted the current certificate."""
        with self._lock:
            record = self._own_record()
            if record.before is not None and record.current == self._read():
                self._record(current=record.current)

    def go_back(self) -> bool:
        """Put back what was there before the last change, if that was never accepted.

        Return whether there was something. The refused key stays the one of the next request,
        because a control plane issues a certificate for a key that it knows.
        """
        with self._lock:
            record, refused = self._own_record(), self._read()
            before = record.before
            if before is None or record.current != refused or not before.fits:
                return False
            pending = b"" if open_pair(before).is_device else refused.key
            self._record(current=before, before=refused, pending_key=pending)
            self._write(before)
            self._record(current=before, pending_key=pending)
            return True

    def _load(self) -> OpenPair:
        found, record = self._read(), self._own_record()
        current = record.current
        if current is not None and found != current:
            if _is_torn(found, [current, record.before or current]):
                log.info("Finishing the interrupted change of %s", self._cert_file)
                self._write(current)
                found = current
            elif found.fits:
                self._record(pending_key=record.pending_key)  # somebody else installed it
        try:
            return open_pair(found)
        except DeliveryError as error:
            files = f"{self._cert_file}, {self._key_file}"
            raise DeliveryError(f"{files}: {error.args[0]}", reason=CERTIFICATE_UNUSABLE) from error

    def _ensure_pending(self, present: OpenPair) -> PrivateKey:
        record = self._own_record()
        with contextlib.suppress(IdentityError):
            return load_key(record.pending_key)
        key = new_key_like(present.key.public_key())
        self._write_record(msgspec.structs.replace(record, pending_key=key_to_pem(key)))
        return key

    def _own_record(self) -> Record:
        """Return the record if it is about these files, else its pending key."""
        record = read_record(self._folder)
        if (record.cert_file, record.key_file) == (str(self._cert_file), str(self._key_file)):
            return record
        return Record(str(self._cert_file), str(self._key_file), pending_key=record.pending_key)

    def _record(self, **content: object) -> None:
        record = Record(str(self._cert_file), str(self._key_file))
        self._write_record(msgspec.structs.replace(record, **content))

    def _write_record(self, record: Record) -> None:
        try:
            write_record(self._folder, record)
        except OSError as error:
            text = f"the key cannot be kept in {self._folder}: {error}"
            raise DeliveryError(text, reason=CERTIFICATE_NOT_INSTALLED) from error

    def _read(self) -> Pair:
        return Pair(_read(self._cert_file), _read(self._key_file))

    def _write(self, pair: Pair) -> None:
        try:
            _write_in_place(self._cert_file, pair.certificate)
            _write_in_place(self._key_file, pair.key)
        except OSError as error:
            text = f"certificate and key cannot be written: {error}"
            raise DeliveryError(text, reason=CERTIFICATE_NOT_INSTALLED) from error


def finish_interrupted_change(folder: Path) -> None:
    """Finish what a crash interrupted, before there is a gateway: it may need the files to start.

    Does nothing without a record. Raises DeliveryError when the files cannot be written, or have
    no usable pair.
    """
    record = read_record(folder)
    if record.current is not None:
        PairFiles(folder, Path(record.cert_file), Path(record.key_file)).load()


def _is_torn(found: Pair, known: list[Pair]) -> bool:
    """Tell whether each file is of these pairs or nothing at all, so that no other is lost."""
    return (
        not is_certificate(found.certificate)
        or _is_mixed(found.certificate, [pair.certificate for pair in known])
    ) and (not is_key(found.key) or _is_mixed(found.key, [pair.key for pair in known]))


def _is_mixed(found: bytes, contents: list[bytes]) -> bool:
    """Tell whether each byte is at this place in one of the contents.

    One over the other, interrupted, leaves that. It can even be read: a renewed certificate has the
    length and the layout of the one before.
    """
    columns = zip_longest(found, *contents)
    return all(byte is None or byte in others for byte, *others in columns)


def _read(path: Path) -> bytes:
    try:
        return read_bounded(path, MAX_PEM)
    except OSError:
        return b""


def _write_in_place(path: Path, content: bytes) -> None:
    """Replace the content of a file, readable by its owner alone; nothing if it has this already.

    The file is not emptied first: its blocks stay its own, so a full disk does not damage it.
    """
    if _read(path) == content:
        return
    handle = os.open(path, IN_PLACE, 0o600)
    with os.fdopen(handle, "wb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"{path} is not a regular file")
        os.fchmod(handle, 0o600)
        file.write(content)
        file.truncate()
        file.flush()
        os.fsync(handle)
    sync_directory(path.parent)
