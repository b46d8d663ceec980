#!/bin/sh
# Run by the installer before it partitions: answer the questions about a disk.
#
#   disk.sh PATH
#
# Without the disk, or when it is what the installer booted from, nothing is answered: the installer
# asks, as it does without this file.
set -eu
disk=$(readlink -f "$1") || disk=
if [ -z "$disk" ] || [ ! -b "$disk" ]; then
  logger -t flotta "the disk $1 is not there; the installer asks"
  exit 0
fi
while read -r device folder _; do
  case $folder in
    /cdrom | /hd-media | /media/*)
      case $(readlink -f "$device") in
        "$disk" | "$disk"[0-9]* | "$disk"p[0-9]*)
          logger -t flotta "the disk $1 is what the installer booted from; the installer asks"
          exit 0
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
