#!/bin/sh
# Create a virtual environment with exactly the locked requirements, using the user's own pip settings.
#
#   venv.sh PYTHON FOLDER REQUIREMENTS
set -eu
python=$1 folder=$2 requirements=$3

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "$python is older than 3.11; name a newer one: make PYTHON=python3.11 …" >&2
  exit 1
}
digest=$(cat "$requirements" | sha256sum)
[ "$(cat "$folder/.requirements" 2>/dev/null)" != "$digest" ] || exit 0

echo "Virtual environment $folder"
"$python" -m venv --clear "$folder"
# Python compiles modules at their first import; only a third of what is installed is ever imported.
"$folder/bin/pip" --disable-pip-version-check install --quiet --no-compile --no-deps --require-hashes --requirement "$requirements"
echo "$digest" >"$folder/.requirements"
