"""`edge_api_on_device.py FOLDER`: a small Edge API with one pod, in the network of a device.

It writes the files that a gateway of v0.2 needs into FOLDER, prints the status of the pod in each
heartbeat, and disconnects the device once `FOLDER/disconnect` exists.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "integration")]

from foreign_site import ForeignGateway  # noqa: E402 (needs the paths)
from small_edge_api import SmallEdgeApi, serving  # noqa: E402

from flotta.identity.authority import Authority  # noqa: E402
from pods.pod import SLEEP, container  # noqa: E402


async def main(folder: Path) -> None:
    authority = Authority.create("Flotta CA")
    api = SmallEdgeApi(authority)
    api.holds = False
    pod = json.dumps({"containers": [container(script=SLEEP)]})
    api.content = {
        "device_id": "edge-1",
        "version": "1",
        "configuration": {"heartbeat": {"period_seconds": 1}},
        "workloads": [{"name": "web", "specification": pod, "data": {}}],
    }
    async with serving(api, folder):
        site = ForeignGateway(folder, api.server, authority.certificate_pem, "edge-1")
        site.give(authority.issue_registration())
        said = 0
        while True:
            await asyncio.sleep(0.2)  # to look again at the file
            for beat in api.sent("heartbeat")[said:]:
                sys.stdout.write(json.dumps(beat["content"]["workloads"]) + "\n")
                said += 1
            sys.stdout.flush()
            if (folder / "disconnect").exists():
                api.command = "disconnect"


asyncio.run(main(Path(sys.argv[1])))
