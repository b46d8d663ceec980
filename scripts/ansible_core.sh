#!/bin/bash
# Install a release of ansible-core unless it is installed, and print the folder of its virtual environment.
#
#   ansible_core.sh VERSION        such as 2.17
#
# It needs the environment for development, whose own release is not installed twice. A release that runs
# on the same Python also sees the other packages there. Exit code 77: no Python is new enough.
set -euo pipefail
cd "$(dirname "$0")/.."
development=$PWD/.venv-dev
version=$1
folder=$PWD/.cache/ansible-$version
locked=requirements/ansible-$version.txt

if grep -q "^ansible-core==${version//./\\.}\\." requirements/dev.txt; then
  echo "$development"
  exit 0
fi

# newer: print a Python that 2.20 and later run on, from the path or from pyenv.
newer() {
  local python
  for python in python3.{14,13,12} "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-4].*/bin/python3; do
    "$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && echo "$python" && return
  done
  return 1
}

python=$development/bin/python
case $version in
  2.17 | 2.18 | 2.19) ;;
  *)
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' || python=$(newer) || {
      echo "ansible-core $version needs Python 3.12 or newer, which was not found: install it on the path or with pyenv." >&2
      exit 77
    }
    ;;
esac

if ! cmp -s "$locked" "$folder/requirements.txt"; then
  "$python" -m venv --clear --without-pip "$folder"
  "$development/bin/pip" --python "$folder/bin/python" install --quiet --no-compile --no-deps --require-hashes --requirement "$locked" >&2
  [ "$python" != "$development/bin/python" ] ||
    "$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$(echo "$folder"/lib/python*/site-packages)/development.pth"
  cp "$locked" "$folder/requirements.txt"
fi
echo "$folder"
