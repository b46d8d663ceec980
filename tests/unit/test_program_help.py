"""The help of `flotta` is fast."""

from __future__ import annotations

import subprocess
import sys


def test_the_help_of_flotta_is_printed_without_loading_the_client() -> None:
    program = (
        "import sys\nfrom flotta.cli.flotta import main\n"
        "try: main(['--help'])\nexcept SystemExit: sys.exit('kubernetes' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert b"COMMAND" in done.stdout
    assert done.returncode == 0
