"""Install pip from the running Python's own copy, then what the arguments name.

It stands in for the script that ansible-test would download into its virtual environments.
"""

import subprocess
import sys

wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
pip = [sys.executable, "-m", "ensurepip", "--default-pip"]
subprocess.check_call(pip, stdout=subprocess.DEVNULL)
subprocess.check_call([sys.executable, "-m", "pip", "install", *wanted])
