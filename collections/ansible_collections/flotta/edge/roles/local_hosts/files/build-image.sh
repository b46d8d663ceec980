#!/bin/sh
# Build the image of a local host from Debian packages.
#
#   build-image.sh TAG SUITE [MIRROR]
#
# Prints nothing but what mmdebstrap and podman say. The image holds no SSH host key and no
# machine id: each host makes its own at its first start.
# shellcheck disable=SC2016  # $1 belongs to mmdebstrap's hooks, not to this script
set -eu

tag=$1
suite=$2
mirror=${3:-}
here=$(dirname "$0")
packages=$(paste -sd, "$here/packages.txt")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# systemd would fight over the machine's tty1 and load kernel modules that are not ours.
mask='for unit in getty.target getty@tty1.service systemd-modules-load.service \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
  podman-auto-update.timer podman-auto-update.service podman-restart.service podman.socket; do
  ln -sf /dev/null "$1/etc/systemd/system/$unit"; done'

# shellcheck disable=SC2016  # so do the variables of the other hooks
mmdebstrap --quiet --variant=minbase --include="$packages" \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --customize-hook="$mask" \
  --customize-hook='rm -f "$1"/etc/ssh/ssh_host_*' \
  --customize-hook=': >"$1/etc/machine-id"' \
  --customize-hook='mkdir -p "$1/etc/containers" "$1/etc/systemd/system/ssh.service.d" "$1/root/.ssh"' \
  --customize-hook='chmod 700 "$1/root/.ssh"' \
  --customize-hook="copy-in $here/containers.conf /etc/containers" \
  --customize-hook='printf "[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\nExecStartPre=/usr/sbin/sshd -t\n" >"$1/etc/systemd/system/ssh.service.d/host-keys.conf"' \
  --customize-hook='printf "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nUseDNS no\n" >"$1/etc/ssh/sshd_config.d/flotta.conf"' \
  "$suite" "$work/root.tar" ${mirror:+"$mirror"}

podman import --quiet --change 'CMD ["/lib/systemd/systemd"]' "$work/root.tar" "$tag"
