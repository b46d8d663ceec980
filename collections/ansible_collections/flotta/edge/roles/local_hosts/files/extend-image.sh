#!/bin/sh
# Build an image from another image and further Debian packages, unless it exists.
#
#   extend-image.sh BASE TAG "PACKAGE..."
set -eu
base=$1 tag=$2 packages=$3
! podman image exists "$tag" || exit 0
podman build --quiet --network host --tag "$tag" --file - "$(dirname "$0")" >/dev/null <<EOF
FROM $base
RUN apt-get -qq update \
 && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends $packages >/dev/null \
 && apt-get clean && rm -rf /var/lib/apt/lists/*
EOF
echo "built $tag"
