"""Name a device whose system an installer has put on its disk.

    python -m flotta.live.installed_system MANIFEST

The id is chosen as on a live system (docs/reference/images.md#device-id), once: it becomes
`client-id` of the gateway's configuration.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from flotta.durable_files import read_bounded, write_atomically
from flotta.live.device_id import choose_device_id
from flotta.live.hardware import read_hardware
from flotta.payload.manifest import MAX_MANIFEST, parse_manifest

CONFIGURATION = Path("etc/yggdrasil/config.toml")
MAX_CONFIGURATION = 1 << 20  # bytes, as the gateway reads it
KEY = b"client-id"


def name_device(manifest: Path, root: Path = Path("/")) -> str:
    """Write the id into the configuration below `root`, unless it has one; return the id."""
    given = parse_manifest(read_bounded(manifest, MAX_MANIFEST)).device_id
    chosen = choose_device_id("", given, read_hardware(root)).text
    path = root / CONFIGURATION
    text = read_bounded(path, MAX_CONFIGURATION)
    if not any(line.startswith(KEY) for line in text.splitlines()):
        line = KEY + b" = " + json.dumps(chosen).encode() + b"\n"
        write_atomically(path, line + text, 0o644)
    return chosen


if __name__ == "__main__":
    name_device(Path(sys.argv[1]))
