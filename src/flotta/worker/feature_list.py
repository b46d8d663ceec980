"""The features of a device; no other module knows all of them."""

from __future__ import annotations

from flotta.sync.loop import SyncLoop
from flotta.worker.data.feature import DataFeature
from flotta.worker.features import AgentContext, Feature
from flotta.worker.hardware.feature import HardwareFeature
from flotta.worker.hardware.inventory import Inventory
from flotta.worker.known_mounts import KnownMounts
from flotta.worker.settings import Settings
from flotta.worker.workloads.feature import WorkloadsFeature


def make_features(settings: Settings, agent: AgentContext) -> tuple[Feature, ...]:
    """Return the features of a device, each after those that it builds on."""
    mounts = KnownMounts(settings.volumes_dir, settings.state_dir)
    engine = SyncLoop(settings.state_dir, settings.volumes_dir, find_absent=mounts.describe_absent)
    data = DataFeature(engine, agent)
    return (
        HardwareFeature(Inventory()),
        data,
        WorkloadsFeature(settings, agent, data, mounts),
    )
