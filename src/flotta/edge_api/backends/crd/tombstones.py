"""The tombstones that this server knows, by the device that they are about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from flotta.fleet.tombstones import Tombstone, read_tombstone
from flotta.identity.holder import Peer
from flotta.resources.cache import Cache
from flotta.resources.objects.core import ConfigMap
from flotta.resources.views import Key, name_of, namespace_of


class Tombstones:
    """Follows the ConfigMaps of the control plane's own namespace; `changed` gets device keys."""

    def __init__(
        self, config_maps: Cache[ConfigMap], namespace: str, changed: Callable[[Key], None]
    ) -> None:
        self._namespace = namespace
        self._changed = changed
        self._by_device: dict[Key, dict[str, Tombstone]] = defaultdict(dict)
        config_maps.subscribe(self._follow)

    def grants_wipe(self, peer: Peer) -> bool:
        """Tell whether the holder of a device certificate may be told to wipe itself."""
        return bool(self.granted_names(peer))

    def granted_names(self, peer: Peer) -> set[str]:
        """Return the names of the tombstones that grant the wipe of the holder of a certificate."""
        known = self._by_device.get((peer.namespace, peer.device_id), {})
        return {name for name, stone in known.items() if stone.granted and stone.holds_for(peer)}

    def _follow(self, old: ConfigMap | None, new: ConfigMap | None) -> None:
        for config_map, is_present in ((old, False), (new, True)):
            if config_map is None or namespace_of(config_map) != self._namespace:
                continue
            tombstone = read_tombstone(config_map)
            if tombstone is None:
                continue
            key = (tombstone.namespace, tombstone.name)
            if is_present:
                self._by_device[key][name_of(config_map)] = tombstone
            else:
                self._by_device[key].pop(name_of(config_map), None)
            self._changed(key)
