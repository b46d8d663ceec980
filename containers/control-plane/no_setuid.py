"""Take the setuid and setgid bits from every program of this file system."""

from __future__ import annotations

import os
import stat
from pathlib import Path

BITS = stat.S_ISUID | stat.S_ISGID

here = os.stat("/").st_dev
for folder, below, files in os.walk("/"):
    below[:] = [name for name in below if os.lstat(Path(folder, name)).st_dev == here]
    for path in (Path(folder, name) for name in files):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode) and mode & BITS:
            path.chmod(stat.S_IMODE(mode) & ~BITS)
