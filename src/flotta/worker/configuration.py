"""Validation of a configuration message as a whole (docs/reference/device.md#checks-of-a-message).

An error in one workload is not an error of the message: it is found when that workload is built,
and reported by name.
"""

from __future__ import annotations

from collections import Counter

from msgspec.structs import replace

from flotta.protocol.envelope import decode
from flotta.protocol.models import (
    DataConfiguration,
    DeviceConfigurationMessage,
    S3StorageConfiguration,
    Workload,
)
from flotta.worker.errors import ConfigurationError

DEFAULT_PERIOD = 60.0  # seconds between heartbeats
MAX_PERIOD = 24 * 3600  # seconds; a number of any size can be sent
MAX_MESSAGE = 32 << 20  # bytes, as much as the gateway accepts of a response
MAX_WORKLOADS = 512  # as many as the control plane keeps a status of
MAX_CAUSE = 300  # characters of a reason that quotes the message


def parse_configuration(content: bytes, device_id: str = "") -> DeviceConfigurationMessage:
    """Decode and check the content of a `device` message.

    `device_id` is this device's own, if known.

    Raises ConfigurationError with a sentence for anything that is not a complete configuration for
    this device.
    """
    if len(content) > MAX_MESSAGE:
        raise ConfigurationError(f"the configuration message has more than {MAX_MESSAGE} bytes")
    if content.strip() in (b"", b"null"):
        raise ConfigurationError("the configuration message is empty")
    try:
        message = decode(content, DeviceConfigurationMessage)
    except ValueError as error:
        cause = str(error)[:MAX_CAUSE]
        raise ConfigurationError(f"the configuration message is malformed: {cause}") from error
    if message.configuration is None:
        raise ConfigurationError("the configuration message has no configuration section")
    if device_id and message.device_id.lower() not in ("", device_id.lower()):
        raise ConfigurationError(
            f"the configuration is for device {message.device_id[:MAX_CAUSE]}, this is {device_id}"
        )
    _check_names(message)
    return message


def _check_names(message: DeviceConfigurationMessage) -> None:
    names = Counter(workload.name for workload in message.workloads or [])
    if names.total() > MAX_WORKLOADS:
        raise ConfigurationError(f"the configuration has more than {MAX_WORKLOADS} workloads")
    if "" in names:
        raise ConfigurationError("the configuration has a workload without a name")
    name, count = max(names.items(), key=lambda item: item[1], default=("", 0))
    if count > 1:
        raise ConfigurationError(f"the configuration names workload {name[:MAX_CAUSE]} twice")


def read_heartbeat_period(message: DeviceConfigurationMessage | None) -> float:
    """Return the heartbeat period in seconds, the default when it is absent or not positive.

    It is a day at most.
    """
    section = message.configuration.heartbeat if message and message.configuration else None
    if section is None or section.period_seconds <= 0:
        return DEFAULT_PERIOD
    return float(min(section.period_seconds, MAX_PERIOD))


def find_s3_storage(message: DeviceConfigurationMessage) -> S3StorageConfiguration | None:
    """Return the storage section if it names a bucket."""
    storage = message.configuration.storage if message.configuration else None
    return storage.s3 if storage and storage.s3 and storage.s3.bucket_name else None


def keep_unresolved(
    message: DeviceConfigurationMessage, before: DeviceConfigurationMessage | None
) -> DeviceConfigurationMessage:
    """Return the message, with what the control plane cannot resolve now kept from `before`.

    That can be the storage and workloads: a missing Secret does not remove a pod with its files.
    Return the message itself if there is nothing to keep.
    """
    return message if before is None else _keep_workloads(_keep_storage(message, before), before)


def keep_absent(
    message: DeviceConfigurationMessage, before: DeviceConfigurationMessage | None
) -> DeviceConfigurationMessage:
    """Return an older message that says of each workload that only `before` has: unresolved.

    Return the message itself if it has all of them.
    """
    if before is None:
        return message
    delivered = {workload.name for workload in message.workloads or []}
    unresolved = set(message.unresolved_workloads or ())
    names = {workload.name for workload in before.workloads or []}
    kept = names.union(before.unresolved_workloads or ()) - delivered
    if kept <= unresolved:
        return message
    return replace(message, unresolved_workloads=sorted(kept | unresolved))


def _keep_storage(
    message: DeviceConfigurationMessage, before: DeviceConfigurationMessage
) -> DeviceConfigurationMessage:
    new = message.configuration
    if new is None or not new.storage_unresolved or find_s3_storage(message) is not None:
        return message
    if before.configuration is None or find_s3_storage(before) is None:
        return message
    kept = replace(new, storage=before.configuration.storage)
    return replace(message, configuration=kept)


def _keep_workloads(
    message: DeviceConfigurationMessage, before: DeviceConfigurationMessage
) -> DeviceConfigurationMessage:
    """Return the message with unresolved workloads as they are in `before`, and their Secrets.

    What is said about their files counts (docs/reference/device.md#what-keeps-a-workload-as-it-is).
    """
    workloads, secrets = message.workloads or [], message.secrets or []
    names = set(message.unresolved_workloads or ()) - {workload.name for workload in workloads}
    told = message.unresolved_data or {}
    kept = [
        _with_data(workload, told.get(workload.name))
        for workload in before.workloads or []
        if workload.name in names
    ]
    if not kept:
        return message
    known = {secret.name for secret in secrets}
    needed = [secret for secret in before.secrets or [] if secret.name not in known]
    return replace(message, workloads=[*workloads, *kept], secrets=[*secrets, *needed] or None)


def _with_data(workload: Workload, data: DataConfiguration | None) -> Workload:
    """Return the workload with what is said about its files, if anything is."""
    if data is None:
        return workload
    return replace(workload, data=None if data == DataConfiguration() else data)
