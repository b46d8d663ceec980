#!/bin/bash
# Build the artifact of the collection as the newest earlier release had it, unless it is there, and print its path.
# tests/releases.py names the commit. Exit code 77: the history of this clone does not have it.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=advice.detachedHead GIT_CONFIG_VALUE_0=false
read -r version commit < <(sed -n 's/.*Release("\([^"]*\)", "\([^"]*\)").*/\1 \2/p' tests/releases.py | tail -n 1)
folder=$top/.cache/former-$version-$commit
artifact=$folder/flotta-edge-$version.tar.gz

if [ ! -e "$artifact" ]; then
  git cat-file -e "$commit" 2>/dev/null || {
    echo "This needs the commit $commit of $version; in a shallow clone: git fetch --unshallow" >&2
    exit 77
  }
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  git clone --quiet --shared --no-checkout . "$work/checkout"
  git -C "$work/checkout" checkout --quiet "$commit"
  ln -s "$top/.venv-site" "$work/checkout/.venv-site"
  "$work/checkout/scripts/collection.sh" >&2
  mkdir -p "$folder"
  mv "$work/checkout/build/flotta-edge-$version.tar.gz" "$artifact"
fi
echo "$artifact"
