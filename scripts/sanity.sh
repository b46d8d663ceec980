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
attempts=3

# ansible-test creates its environments without pip and would download a script that installs pip from
# a host outside the package index. Python's own ensurepip does the same. The name differs by release.
pip_by_ensurepip() {
  local pip
  mkdir -p "$home/.ansible/test/cache"
  for pip in 23_1_2 24_2 25_2; do
    cat >"$home/.ansible/test/cache/get_pip_$pip.py" <<'PYTHON'
import subprocess, sys
args = [a for a in sys.argv[1:] if a not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"], stdout=subprocess.DEVNULL)
subprocess.check_call([sys.executable, "-m", "pip", "install", *args])
PYTHON
  done
}

# ansible-test passes no PIP_… to pip, and the home is another one: an index, its CA or a longer timeout
# would be forgotten.
pip_settings() {
  rm -f "$home/.pip/pip.conf" # of earlier releases of this script
  mkdir -p "$home/.config/pip"
  "$core/bin/python" scripts/pip_settings.py >"$home/.config/pip/pip.conf"
}

sanity() { (cd "$copy" && PYTHONPATH='' HOME=$home PATH=$core/bin:$PATH ansible-test sanity --color no --python "$python_version" "$@"); }

# create_environments: try again when the index does not answer; what is there is kept.
create_environments() {
  local attempt
  for attempt in $(seq $attempts); do
    sanity --prime-venvs && return
    echo "The environments of ansible-test could not be created (attempt $attempt of $attempts)."
  done
  return 1
}

umask 077  # the address of an index may have a password
mkdir -p "$home"
exec {lock}>"$home/lock"  # others may run it at the same time
flock $lock
pip_by_ensurepip
pip_settings
python_version=$("$core/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
create_environments
flock --unlock $lock
sanity
