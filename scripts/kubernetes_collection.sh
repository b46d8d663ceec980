#!/bin/sh
# Download the collection kubernetes.core unless it is cached, and print the folder for ANSIBLE_COLLECTIONS_PATH.
#
#   kubernetes_collection.sh PYTHON
#
# The package index has it only as part of the bundle `ansible`; nothing else of that is kept.
set -eu
python=$1
cd "$(dirname "$0")/.."
requirements=requirements/kubernetes-collection.txt
digest=$(sha256sum "$requirements" | cut -c1-16)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/flotta-edge/collections/$digest
mkdir -p "$(dirname "$folder")"
exec 9>"$(dirname "$folder")/.lock"
flock 9

if [ ! -d "$folder" ]; then
  echo "Downloading the collection kubernetes.core" >&2
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  "$python" -m pip --disable-pip-version-check download --quiet --no-deps --require-hashes --only-binary :all: \
    --requirement "$requirements" --dest "$work" >&2
  "$python" - "$work" "$folder.new" <<'PYTHON'
import pathlib, sys, zipfile

source, target = map(pathlib.Path, sys.argv[1:])
with zipfile.ZipFile(next(source.glob("*.whl"))) as bundle:
    wanted = "ansible_collections/kubernetes/core/"
    bundle.extractall(target, [name for name in bundle.namelist() if name.startswith(wanted)])
PYTHON
  mv "$folder.new" "$folder"
fi
echo "$folder"
