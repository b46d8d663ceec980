#!/bin/sh
# Run by the installer before it partitions: answer the questions about a disk.
#
#   disk.sh PATH
#
# Without the disk, when it is a part of one, or when it is what the installer booted from, nothing
# is answered: the installer asks, as it does without this file.
set -eu
leave() {
  logger -t flotta "$1; the installer asks"
  exit 0
}

disk=$(readlink -f "$1") || disk=
if [ -z "$disk" ] || [ ! -b "$disk" ]; then
  leave "the disk $1 is not there"
fi
if [ ! -d "/sys/class/block/${disk##*/}" ] || [ -e "/sys/class/block/${disk##*/}/partition" ]; then
  leave "$1 is not a whole disk"
fi
# An ISO on the whole disk is an installation medium: mini.iso runs from memory and mounts nothing.
if dd if="$disk" bs=2048 skip=16 count=1 2>/dev/null | grep -q CD001; then
  leave "there is an ISO on the disk $1, such as the installer booted from"
fi
while read -r device folder _; do
  case $folder in
    /cdrom | /hd-media | /media/*)
      case $(readlink -f "$device") in
        "$disk" | "$disk"[0-9]* | "$disk"p[0-9]*)
          leave "the disk $1 is what the installer booted from"
          ;;
      esac
      ;;
  esac
done </proc/mounts
cat >/tmp/flotta-disk.cfg <<ANSWERS
d-i partman-auto/disk string $disk
d-i partman-auto/method string regular
d-i partman-auto/choose_recipe select atomic
d-i partman-lvm/device_remove_lvm boolean true
d-i partman-md/device_remove_md boolean true
d-i partman-partitioning/confirm_write_new_label boolean true
d-i partman/choose_partition select finish
d-i partman/confirm boolean true
d-i partman/confirm_nooverwrite boolean true
d-i grub-installer/bootdev string $disk
ANSWERS
debconf-set-selections /tmp/flotta-disk.cfg
