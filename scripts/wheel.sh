#!/bin/sh
# Build the flotta-edge wheel and copy it, with the locked requirements, to where the collection
# looks for them.
#
#   wheel.sh PYTHON [FOLDER]        PYTHON has hatchling; FOLDER is the collection
#
# The same sources give the same bytes: the time in the archive is that of the last commit that
# touched them.
set -eu
python=$1
cd "$(dirname "$0")/.."
collection=${2:-collections/ansible_collections/flotta/edge}
files=$collection/roles/programs/files
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

SOURCE_DATE_EPOCH=$(git log -1 --format=%ct -- src pyproject.toml README.md)
export SOURCE_DATE_EPOCH
"$python" -m hatchling build -t wheel -d "$work" >"$work/log" 2>&1 || {
  cat "$work/log" >&2
  exit 1
}
mkdir -p "$files/requirements"
wheel=$(basename "$work"/*.whl)
if ! cmp -s "$work/$wheel" "$files/$wheel"; then
  rm -f "$files"/*.whl
  cp "$work/$wheel" "$files/$wheel"
fi
for extra in control-plane device sync images; do
  cmp -s "requirements/$extra.txt" "$files/requirements/$extra.txt" ||
    cp "requirements/$extra.txt" "$files/requirements/$extra.txt"
done
(cd "$files" && cat ./*.whl requirements/*.txt | sha256sum | cut -c1-64) >"$work/digest"
cmp -s "$work/digest" "$files/digest" || { cp "$work/digest" "$files/digest.$$" && mv "$files/digest.$$" "$files/digest"; }
