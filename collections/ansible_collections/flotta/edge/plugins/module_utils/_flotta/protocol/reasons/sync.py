# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/protocol/reasons/sync.py: change that.
"""Causes of `DataSyncFailed`: at the end of its message, and in the journal of the worker."""

from __future__ import annotations

from ...protocol.reasons.reason import Log, Rows
from ...protocol.reasons.workloads import DISK_RESERVE_REACHED

PLACE = Log("flotta-device-worker")

CAUSES = Rows()
STORAGE_UNREACHABLE = CAUSES.add(
    "StorageUnreachable",
    PLACE,
    "The S3 server cannot be reached, did not answer in time, or answered 5xx.",
    "Check the address and port of the storage, and the device's DNS and firewall.",
)
STORAGE_NOT_TRUSTED = CAUSES.add(
    "StorageNotTrusted",
    PLACE,
    "The certificate of the S3 server is not valid.",
    "Put the CA into the key `tls.crt` of the storage Secret; check the name in the certificate "
    "and the clock of the device.",
)
STORAGE_CREDENTIALS_REFUSED = CAUSES.add(
    "StorageCredentialsRefused",
    PLACE,
    "The S3 server refused the credentials.",
    "Check the access key in the Secret of the bucket.",
)
STORAGE_REFUSED = CAUSES.add(
    "StorageRefused",
    PLACE,
    "The S3 server refused a request for another reason, which the message quotes.",
    "Follow the message; read the log of the S3 server.",
)
CLOCK_WRONG = CAUSES.add(
    "ClockWrong",
    PLACE,
    "The clock of the device is wrong, so the S3 server refuses its signatures.",
    "Synchronise the clock of the device (NTP).",
)
BUCKET_NOT_FOUND = CAUSES.add(
    "BucketNotFound",
    PLACE,
    "The bucket does not exist.",
    "Check the bucket's name, or the bucket claim of the device.",
)
INVALID_LISTING = CAUSES.add(
    "InvalidListing",
    PLACE,
    "The S3 server sent something that is not a listing.",
    "Check that the endpoint is an S3 server, and that no proxy answers in its place.",
)
TRANSFER_FAILED = CAUSES.add(
    "TransferFailed",
    PLACE,
    "The files that the message names failed; the others are synchronised. The text after each "
    "path is the cause.",
    "Do what the cause says. A single file is tried again after up to 30 minutes.",
)
TRANSFER_UNFINISHED = CAUSES.add(
    "TransferUnfinished",
    PLACE,
    "The last upload of a workload that is being removed did not finish in time.",
    "Nothing, if the files are not needed: they are removed with the workload.",
)
ENTRY_SKIPPED = CAUSES.add(
    "EntrySkipped",
    PLACE,
    "Entries that cannot be synchronised: links, sockets, FIFOs and devices, names that are not "
    "UTF-8, two keys for one path.",
    "Rename or remove them.",
)
TRANSFERS_UNCONFINED = CAUSES.add(
    "TransfersUnconfined",
    PLACE,
    "The process that transfers files has more rights than it needs, which the message names. "
    "Files are transferred all the same.",
    "Run the role `flotta.edge.device` again: it creates the user and the unit of the worker. In a "
    "container, give the worker `CAP_SYS_ADMIN`. [Rules](device.md#the-transferring-process).",
)
FILE_REQUEST_REFUSED = CAUSES.add(
    "FileRequestRefused",
    PLACE,
    "The process that transfers files asked for one that is not part of its job, and was ended: a "
    "bug, or an S3 server that took it over.",
    "Check who operates the S3 server; report it with the journal of `flotta-device-worker`.",
)
CAUSES.add(
    DISK_RESERVE_REACHED,
    PLACE,
    "An object is not fetched because it would use [the reserve](device.md#free-disk-space) of the "
    "disk.",
    "Free space on the device. Uploads continue.",
)
FILE_SYSTEM_NOT_MOUNTED = CAUSES.add(
    "FileSystemNotMounted",
    PLACE,
    "A file system that the workload's files are on is not mounted. Its files are neither sent nor "
    "fetched nor removed meanwhile.",
    "Mount it. If it is gone for good, do what the message says ([File systems of their "
    "own](device.md#file-systems-of-their-own)).",
)
TOO_MANY_FILES = CAUSES.add(
    "TooManyFiles",
    PLACE,
    "The workload has more files or objects than [are "
    "synchronised](device.md#what-is-transferred). The others are left out.",
    "Split them between workloads, or remove what was uploaded.",
)
SYNC_FAILED = CAUSES.add(
    "SyncFailed",
    PLACE,
    "A bug in the synchronisation.",
    "Report it with the journal of `flotta-device-worker`.",
)

SECTIONS = (CAUSES,)
