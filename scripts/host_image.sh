#!/bin/bash
# Build the image of a local host, unless it exists already; print its name.
#
#   host_image.sh [SUITE]        bookworm (default) or trixie
#
# It is the image of the role local_hosts, which finds by its name that it exists.
set -euo pipefail
cd "$(dirname "$0")/../collections/ansible_collections/flotta/edge/roles/local_hosts/files"
suite=${1:-bookworm}
packages=$(sed -n "s/^  $suite: .*packages: \[\(.*\)\]}/\1/p" ../vars/main.yml | tr -d ,)
recipe=$(printf '%s%s%s%s' "$(cat build-image.sh)" "$(cat packages.txt)" "$(cat containers.conf)" "$suite" | sha256sum)
image=localhost/flotta-edge-host:${recipe:0:12}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/flotta-edge
mkdir -p "$cache"
exec 9>"$cache/host-image.lock"
flock 9
podman image exists "$image" || ./build-image.sh "$image" "$suite" >&2
if [ -n "$packages" ]; then
  extended=$(printf %s "$packages" | sha256sum)
  ./extend-image.sh "$image" "$image-${extended:0:12}" "$packages" >&2
  image=$image-${extended:0:12}
fi
echo "$image"
