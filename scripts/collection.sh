#!/bin/sh
# Build the collection's artifact from the current commit: build/flotta-edge-VERSION.tar.gz
set -eu
cd "$(dirname "$0")/.."
top=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone --quiet --shared . "$work/checkout"
"$work/checkout/scripts/wheel.sh" "$top/.venv-site/bin/python"
mkdir -p build
.venv-site/bin/ansible-galaxy collection build --force --output-path build \
  "$work/checkout/collections/ansible_collections/flotta/edge"
