#!/bin/sh
# Build a small Debian with Python and CA certificates from packages alone; no registry is asked.
#
#   base.sh TAG [MIRROR]
set -eu
tag=$1
mirror=${2:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Debian calls these essential; a container that runs one Python program does without.
needless="bsdutils debconf diffutils e2fsprogs findutils gzip hostname libdb5.3 libperl5.36 logsave login mount ncurses-base
  ncurses-bin openssl passwd perl perl-base perl-modules-5.36 procps sed sysvinit-utils tar util-linux util-linux-extra
  libpam-modules libpam-modules-bin libpam-runtime libpam0g mawk init-system-helpers"

# shellcheck disable=SC2016  # $1 belongs to mmdebstrap's hooks, not to this script
mmdebstrap --quiet --variant=essential --include=python3,ca-certificates \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --customize-hook='for package in '"$(echo $needless)"'; do
      [ -e "$1/var/lib/dpkg/info/$package.list" ] || ls "$1/var/lib/dpkg/info/$package":*.list >/dev/null 2>&1 || continue
      rm -f "$1/var/lib/dpkg/info/$package."*rm "$1/var/lib/dpkg/info/$package:"*rm
      dpkg --root="$1" --force-all --purge "$package" >/dev/null 2>&1; done' \
  --customize-hook='rm -rf "$1"/usr/lib/*-linux-gnu/gconv "$1"/usr/lib/python3*/pydoc_data "$1"/var/cache/* "$1"/var/log/* "$1"/var/backups/*' \
  --customize-hook=': >"$1/etc/machine-id"' \
  bookworm "$work/root.tar" ${mirror:+"$mirror"}

podman import --quiet --change 'CMD ["/usr/bin/python3"]' "$work/root.tar" "$tag"
