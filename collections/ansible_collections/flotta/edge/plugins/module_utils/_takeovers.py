# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
"""Whether devices have taken over a changed heartbeat.

A device reports the version of the configuration that it applied, and that version changes if and only if the content does
(docs/reference/control-plane.md#version-of-a-configuration). So a device whose heartbeat changes has to report another version.
Of the other sections this cannot be said: devices do not carry them out yet, or they leave a configuration as it is, such as the
names of a bucket while the device has a claim.
"""

from __future__ import annotations

from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.adoption import (
        is_withheld,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.heartbeat_settings import (
        heartbeat_settings,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.quarantine import (
        is_quarantined,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.conditions import (
        READY,
        condition_status,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.device_settings import (
        DeviceSettings,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.devices import (
        EdgeDevice,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.views import (
        conditions_of,
        status_of,
    )
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so


def is_online(device: EdgeDevice) -> bool:
    """Tell whether the control plane receives heartbeats of the device."""
    return condition_status(conditions_of(device), READY) == "True"


def applied_version(device: EdgeDevice) -> str:
    """Return the version of the configuration that the device reports, "" if it reports none."""
    return status_of(device).get("lastSyncedResourceVersion") or ""


def must_take_over(device: EdgeDevice, before: DeviceSettings, after: DeviceSettings) -> bool:
    """Tell whether a change of the settings in effect has to show in what the device reports."""
    if heartbeat_settings(before) == heartbeat_settings(after):
        return False
    reports = is_online(device) and bool(applied_version(device))
    return reports and not is_withheld(device) and not is_quarantined(device)


def is_late(device: EdgeDevice, version: str) -> bool:
    """Tell whether a device that is online still reports this version."""
    return is_online(device) and not is_quarantined(device) and applied_version(device) == version
