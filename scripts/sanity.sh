#!/bin/bash
# Run ansible-test sanity on the collection with a release of ansible-core.
#
#   sanity.sh VERSION        such as 2.19
#
# Its own virtual environments are kept in the user's cache, where every checkout finds them.
# Exit code 77: no Python is new enough for that release.
set -euo pipefail
cd "$(dirname "$0")/.."
core=$(scripts/ansible_core.sh "$1")
home=${XDG_CACHE_HOME:-$HOME/.cache}/flotta-edge/ansible-test
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
copy=$(scripts/copy_collection.sh "$work")

# ansible-test creates its environments without pip and would download a script that installs pip from
# a host outside the package index. Python's own ensurepip does the same. The name differs by release.
mkdir -p "$home/.ansible/test/cache"
for pip in 23_1_2 24_2 25_2; do
  cat >"$home/.ansible/test/cache/get_pip_$pip.py" <<'PYTHON'
import subprocess, sys
args = [a for a in sys.argv[1:] if a not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"], stdout=subprocess.DEVNULL)
subprocess.check_call([sys.executable, "-m", "pip", "install", *args])
PYTHON
done

python_version=$("$core/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
cd "$copy"
PYTHONPATH='' HOME=$home PATH=$core/bin:$PATH ansible-test sanity --color no --python "$python_version"
