#!/bin/sh
# Make the virtual environment of this checkout, or bring it up to date, by locked requirements.
#
#   environment.sh [site|dev] [FOLDER]
#
# `site` holds what the playbooks need, `dev` (the default) everything of `site` and the tools and
# libraries of the tests; FOLDER is .venv unless given. Nothing happens when the environment was
# made from the same requirements before. PYTHON may name the interpreter, 3.11 or later.
set -eu
kind=${1:-dev}
cd "$(dirname "$0")/.."
folder=${2:-.venv}
lock=requirements/$kind.txt
stamp=$folder/.made-from

suitable() {
  "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

interpreter() {
  for python in ${PYTHON:-python3 python3.13 python3.12 python3.11 /usr/bin/python3}; do
    if suitable "$python"; then
      echo "$python"
      return
    fi
  done
  echo "environment.sh: needs Python 3.11 or later with venv (Debian: python3-venv)" >&2
  exit 1
}

# The path counts too: an environment that was copied or moved does not work.
wanted() {
  { printf '%s\n' "$1" "$(realpath -m "$folder")"; cat "requirements/$1.txt" pyproject.toml; } |
    sha256sum | cut -c1-64
}

made=$(cat "$stamp" 2>/dev/null || true)
if "$folder/bin/python" -c '' 2>/dev/null; then
  for enough in "$kind" dev; do
    [ "$made" != "$(wanted "$enough")" ] || exit 0
  done
else
  rm -rf "$folder"
  python=$(interpreter)
  "$python" -m venv "$folder"
fi

rm -f "$stamp"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
  --only-binary :all: --requirement "$lock"
if [ "$kind" = dev ]; then
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --no-build-isolation --editable .
fi
wanted "$kind" >"$stamp"
