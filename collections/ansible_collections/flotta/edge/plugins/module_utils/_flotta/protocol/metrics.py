# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# Copied by scripts/generate_module_utils.py from src/flotta/protocol/metrics.py: change that.
"""Which metrics a device collects, of itself and of pods, and where it sends them, on the wire.

See docs/reference/wire-protocol.md#configuration.
"""

from __future__ import annotations

try:
    import msgspec
except ImportError:  # the plugin that needs it says so
    msgspec = None


class _Part(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Base of the parts: a field that is not set is not sent."""


class MetricsAllowList(msgspec.Struct, kw_only=True):
    """The metrics that are kept; all others are dropped."""

    names: list[str] | None = None


class ComponentMetricsConfiguration(_Part):
    """The metrics of one part of the device."""

    allow_list: MetricsAllowList | None = None
    disabled: bool = False
    interval: int = 0  # seconds between two scrapes


class MetricsReceiverConfiguration(_Part):
    """The Prometheus remote-write receiver of a device's metrics; an empty `url` means none."""

    ca_cert: str = msgspec.field(default="", name="caCert")  # PEM
    request_num_samples: int = 0  # at most, in one request
    timeout_seconds: int = 0
    url: str = ""


class MetricsRetention(_Part):
    """How much of its metrics a device keeps while the receiver is unreachable."""

    max_hours: int = 0
    max_mib: int = 0


class MetricsConfiguration(_Part):
    """Metrics that a device collects, keeps and forwards.

    `system` are metrics of the operating system, `data-transfer` of the file synchronisation.
    """

    data_transfer: ComponentMetricsConfiguration | None = msgspec.field(
        default=None, name="data-transfer"
    )
    receiver: MetricsReceiverConfiguration | None = None
    retention: MetricsRetention | None = None
    system: ComponentMetricsConfiguration | None = None


class ContainerMetrics(_Part):
    """How the metrics of one container differ from those of its workload."""

    disabled: bool = False
    path: str = ""
    port: int = 0


class Metrics(_Part):
    """The metrics page of a workload; port 0 means none. `containers` are by container name."""

    allow_list: MetricsAllowList | None = None
    containers: dict[str, ContainerMetrics] | None = None
    interval: int = 0  # seconds between two scrapes
    path: str = ""
    port: int = 0
