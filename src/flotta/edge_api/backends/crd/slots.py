"""Which slots of a registration batch are taken, and which ones a device tries.

With a hundred thousand slots of which few are free, neither takes the time to look at all of them.
"""

from __future__ import annotations

import bisect
import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from flotta.fleet.registration_batches import probe_slots

NEAR = 32  # slots to look at one by one, from that with which the device begins
TRIED = 8  # of them at most, and as many further ones: each costs two requests if it is taken


@dataclass(frozen=True)
class Use:
    """A slot of a batch; a text is "" if the use does not say whose it is, or with which key."""

    name: str  # of its ConfigMap
    device_id: str
    key_fingerprint: str

    def is_held_by_another(self, key_fingerprint: str) -> bool:
        """Tell whether the device has used the batch with another key than this."""
        return self.key_fingerprint not in ("", key_fingerprint)


class Slots:
    """The uses of one batch, as the watch tells of them."""

    def __init__(self) -> None:
        self._uses: dict[str, Use] = {}  # by name
        self._names: defaultdict[str, set[str]] = defaultdict(set)  # of the uses, by device id
        self._taken: set[int] = set()
        # Of the slots up to `_last`, sorted; None until the near ones of some device were taken, so
        # that it is short.
        self._free: list[int] | None = None
        self._last = 0

    def __len__(self) -> int:
        """Return how many are taken."""
        return len(self._uses)

    def find(self, device_id: str) -> Use | None:
        """Return the use of a device, None if it has none."""
        names = self._names.get(device_id)
        return self._uses[min(names)] if names else None

    def put(self, use: Use) -> None:
        """Note a use that there is."""
        self.discard(use.name)
        self._uses[use.name] = use
        self._names[use.device_id].add(use.name)
        self._taken.add(_number(use.name))
        self._mark(_number(use.name), free=False)

    def discard(self, name: str) -> None:
        """Note that there is no use of this name."""
        use = self._uses.pop(name, None)
        if use is None:
            return
        self._names[use.device_id].discard(name)
        if not self._names[use.device_id]:
            del self._names[use.device_id]
        self._taken.discard(_number(name))
        self._mark(_number(name), free=True)

    def candidates(self, device_id: str, uses: int) -> Iterator[int]:
        """Yield a few slots that are not known to be taken, upwards from that of the device.

        The same ones for each try: what the watch has not told of yet may be its own.
        """
        begin = list(itertools.islice(probe_slots(device_id, uses), NEAR))
        near = [slot for slot in begin if slot not in self._taken][:TRIED]
        yield from near
        free = self._free_of(uses)
        after = bisect.bisect(free, near[-1] if near else begin[0])
        for step in range(min(TRIED, len(free))):
            slot = free[(after + step) % len(free)]
            if slot not in near:
                yield slot

    def _free_of(self, uses: int) -> list[int]:
        """Return a copy of what is free: it changes while a device tries."""
        if self._free is None or self._last != uses:
            self._last = uses
            self._free = sorted(set(range(1, uses + 1)) - self._taken)
        return list(self._free)

    def _mark(self, slot: int, *, free: bool) -> None:
        if self._free is None or not 0 < slot <= self._last:
            return
        index = bisect.bisect_left(self._free, slot)
        present = self._free[index : index + 1] == [slot]
        if free and not present:
            self._free.insert(index, slot)
        elif present and not free:
            del self._free[index]


def _number(name: str) -> int:
    """Return the number of the slot in the name of a use, 0 if there is none."""
    text = name.rpartition("-")[2]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0
