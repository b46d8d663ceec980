#!/bin/sh
# Install the Debian packages that the local site needs and those given as arguments; print which.
set -eu
needed="aardvark-dns catatonit crun iproute2 iptables mmdebstrap netavark openssh-client podman
python3-venv runc uidmap"

missing=
for package in $needed "$@"; do
  dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^.i' || missing="$missing $package"
done
# The sample image extracts a static busybox from its package. An installed one does not tell that the lists are here.
[ -n "$missing" ] || apt-get -qq --print-uris download busybox-static >/dev/null 2>&1 || missing=" "
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "This needs root on Debian to install:$missing" >&2
  exit 1
fi
echo "Debian packages:${missing:- none, but the package lists}"
apt-get -qq update
# shellcheck disable=SC2086  # a list of words
[ "$missing" = " " ] || DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install --no-install-recommends --yes \
  $missing >/dev/null
