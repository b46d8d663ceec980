# shellcheck shell=dash disable=SC2034,SC2154  # variables are of init
# Which of the devices is the medium that GRUB has booted from. Read by init, with its variables:
#
#   sys   where sysfs is mounted
#   live  directory of the boot; the medium is mounted on $live/medium
#   base  contentID of the base, from the command line of the kernel
#
# All media that were personalised from one base have the kernel's base. The settings that the kernel
# unpacked tell them apart. Media that are equal in both are not told apart: none of them gets state.

load_drivers() {
  find $sys/devices -name modalias -exec cat {} + 2>/dev/null | sort -u |
    xargs modprobe -abq 2>/dev/null
  return 0
}

# Wait until the devices have been the same for a second and every USB storage interface shows its
# disk, at most ten seconds: another medium may still be on its way.
settle() {
  seen=
  for turn in 1 2 3 4 5 6 7 8 9 10; do
    now=$(ls $sys/bus/usb/devices $sys/class/block 2>/dev/null)
    [ "$now" != "$seen" ] || is_awaited || return 0
    seen=$now
    sleep 1
    load_drivers
  done
}

is_awaited() {
  for class in $sys/bus/usb/devices/*/bInterfaceClass; do
    [ "$(cat "$class" 2>/dev/null)" = 08 ] || continue
    [ -n "$(find "${class%/*}/" -maxdepth 5 -name block 2>/dev/null)" ] || return 0
  done
  return 1
}

# Whole devices before partitions: the first partition of a stick may show the same files, but is
# shorter.
block_devices() {
  partitions=
  for entry in $sys/class/block/*; do
    name=${entry##*/}
    case $name in loop* | ram* | zram* | dm-*) continue ;; esac
    [ "$(cat "$entry/size")" != 0 ] || continue
    if [ -e "$entry/partition" ]; then partitions="$partitions $name"; else echo "$name"; fi
  done
  for name in $partitions; do echo "$name"; done
}

# The contentID of settings, in a manifest or in the archive that begins with it; of none, nothing.
content_id() {
  tr '\0' '\n' 2>/dev/null <"$1" | sed -n 's/^ *"contentID": *"\([0-9a-f]*\)".*/\1/p' | head -n 1
}

# is_medium NAME SETTINGS: mount a device, and keep it mounted if it is one.
is_medium() {
  mount -t iso9660 -o ro,nosuid,nodev,noexec "/dev/$1" $live/medium 2>/dev/null || return 1
  if grep -q "\"contentID\": *\"$base\"" $live/medium/flotta/base.json 2>/dev/null &&
    { [ "$2" = any ] || [ "$(content_id $live/medium/flotta/payload.img)" = "$2" ]; }; then
    return 0
  fi
  umount $live/medium
  return 1
}

# find_medium SETTINGS: mount the medium with these settings, or `any`, and set `medium`;
# `in_doubt` says whether another device has the same.
find_medium() {
  found=
  in_doubt=false
  for name in $(block_devices); do
    # A partition of a device that is one itself shows the same.
    case $name in ${found:-/}*) [ ! -e "$sys/class/block/$name/partition" ] || continue ;; esac
    is_medium "$name" "$1" || continue
    umount $live/medium
    if [ -n "$found" ]; then in_doubt=true; else found=$name; fi
  done
  [ -n "$found" ] && is_medium "$found" "$1" && medium=/dev/$found
}
