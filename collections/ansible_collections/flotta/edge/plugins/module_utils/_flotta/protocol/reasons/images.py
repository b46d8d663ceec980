# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/protocol/reasons/images.py: change that.
"""Reasons why an image is not built, personalised, shown, verified or reset."""

from __future__ import annotations

from ...protocol.reasons.reason import Image, Rows
from ...protocol.reasons.refusals import CERTIFICATE_EXPIRED

EVERY = "all"
PERSONALISE = "personalise, seed"
WRITE = "personalise, seed, reset"
READ_BASE = "personalise, verify, reset"

BASES = Rows()
BASE_NOT_FOUND = BASES.add(
    "BaseNotFound",
    Image(EVERY),
    "The ISO that is to be read does not exist, is not a file, or cannot be read.",
    "Correct the path, or build the base.",
)
BASE_NOT_ISO = BASES.add(
    "BaseNotISO",
    Image(EVERY),
    "The file is not an ISO 9660 file system, what describes its files is damaged, or it is a "
    "stick, or the image of one, with more behind the ISO.",
    "Get the ISO again and compare its checksum. Use the file that was written to the stick.",
)
BASE_TRUNCATED = BASES.add(
    "BaseTruncated",
    Image(EVERY),
    "The file is shorter than the file system in it says: a download or a copy that broke off.",
    "Get the ISO again and compare its checksum.",
)
BASE_CHECKSUM_MISMATCH = BASES.add(
    "BaseChecksumMismatch",
    Image(PERSONALISE),
    "The SHA-256 of the base is not the expected one. Both are in the message.",
    "Get the ISO again, or correct the expected checksum.",
)
BASE_NOT_BOOTABLE = BASES.add(
    "BaseNotBootable",
    Image(READ_BASE),
    "The base has no boot record for a kind of firmware for which it is asked: BIOS, UEFI.",
    "Use another base, or ask for the kinds of firmware only that it has.",
)
WRONG_ARCHITECTURE = BASES.add(
    "WrongArchitecture",
    Image(READ_BASE),
    "The base is for another processor architecture than asked for.",
    "Use the base of this architecture, or correct `architecture`.",
)
BASE_UNKNOWN = BASES.add(
    "BaseUnknown",
    Image(READ_BASE),
    "It is not known how settings are put into this ISO: it is neither a base image of flotta.edge "
    "that this release knows nor an installer of Debian 12 or 13.",
    "Use one of these, or give the settings on a second medium: `flotta image seed`.",
)
AREA_TOO_SMALL = BASES.add(
    "AreaTooSmall",
    Image(PERSONALISE),
    "The settings need more space than the base has for them. Both numbers are in the message.",
    "Leave out large files: what all devices need belongs into the base.",
)

CREDENTIALS = Rows()
CREDENTIALS.add(
    CERTIFICATE_EXPIRED,
    Image(PERSONALISE),
    "The registration certificate or its CA has expired, or expires before a stick could be used.",
    "Issue it again: `flotta registration issue`, or the module "
    "`flotta.edge.registration_certificate`.",
)
KEY_MISMATCH = CREDENTIALS.add(
    "KeyMismatch",
    Image(PERSONALISE),
    "The private key is not that of the registration certificate, or cannot be read.",
    "Give the certificate and the key of one batch, as `flotta registration issue` writes them.",
)
CERTIFICATE_UNTRUSTED = CREDENTIALS.add(
    "CertificateUntrusted",
    Image(PERSONALISE),
    "The certificate is not a registration certificate that one of the given CAs issued, or one of "
    "both is not valid yet.",
    "Give the CA of the fleet (`ca.crt` of the Secret `flotta-ca`) and a certificate of its batch.",
)
INVALID_SETTINGS = CREDENTIALS.add(
    "InvalidSettings",
    Image(PERSONALISE),
    "A setting is missing, unknown, too large or of another form. The message names it.",
    "Correct the setting ([Settings](images.md#settings)).",
)

DESTINATIONS = Rows()
NO_SPACE = DESTINATIONS.add(
    "NoSpace",
    Image(WRITE),
    "The file system has not enough free space. Needed and free bytes are in the message.",
    "Free space, or write to another file system.",
)
DESTINATION_UNUSABLE = DESTINATIONS.add(
    "DestinationUnusable",
    Image(WRITE),
    "The directory does not exist, cannot be written to, or the file system fails.",
    "Create the directory, give the user the right to write, or choose another one.",
)
DESTINATION_FOREIGN = DESTINATIONS.add(
    "DestinationForeign",
    Image(WRITE),
    "The file that would be replaced is none that flotta.edge made, or it is a base.",
    "Choose another name, or allow it with `--force` (module: `force`).",
)
DESTINATION_BUSY = DESTINATIONS.add(
    "DestinationBusy",
    Image(WRITE),
    "Another process writes the same file, and did not end in time.",
    "Wait for it, or end it. Nothing has to be removed.",
)
VERIFICATION_FAILED = DESTINATIONS.add(
    "VerificationFailed",
    Image("personalise, verify, reset"),
    "What was written, or is there, is not what the base and the settings give.",
    "Personalise it again from the base. If that fails again, check the disk.",
)
TOOL_MISSING = DESTINATIONS.add(
    "ToolMissing",
    Image(EVERY),
    "A program that is needed is not installed.",
    "Install the package that the message names.",
)
TOOL_FAILED = DESTINATIONS.add(
    "ToolFailed",
    Image(EVERY),
    "A program that was run failed. Its last lines are in the message.",
    "Do what its message says. Nothing was left behind.",
)

SECTIONS = (BASES, CREDENTIALS, DESTINATIONS)
