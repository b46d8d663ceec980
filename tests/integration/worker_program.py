"""A device worker of any release whose files are all in one folder, which is the argument."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

from flotta.worker.agent import Agent
from flotta.worker.settings import Settings

folder = Path(sys.argv[1])
logging.basicConfig(level=logging.INFO)
asyncio.run(
    Agent(
        Settings(
            gateway_address=f"unix:{folder / 'gateway.sock'}",
            state_dir=folder / "worker",
            volumes_dir=folder / "volumes",
            units_dir=folder / "units",
            exits_dir=folder / "exits",
            unit_changes_dir=folder / "changes",
            tags_file=folder / "tags.toml",
        )
    ).run()
)
