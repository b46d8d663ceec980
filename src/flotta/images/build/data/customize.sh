#!/bin/sh
# Hook of mmdebstrap: put what boots the image into /boot, remove what no device needs.
#
#   customize.sh ROOT KERNEL PACKAGE...
#
# KERNEL is the package that depends on the newest kernel. It and the PACKAGEs, which hold the boot
# loaders, a static busybox and pip, are unpacked and not installed: they are not in the system.
# /proc and /sys are mounted below ROOT: nothing is searched from there.
set -eu
root=${1%/}
# Everything below is removed from there: never from this machine.
[ -n "$root" ] && [ -d "$root" ] && [ "$(cd "$root" && pwd -P)" != / ] || {
  echo "customize.sh: the root '$1' is not a directory of its own" >&2
  exit 1
}
kernel=$2
shift 2
export LC_ALL=C.UTF-8

in_root() { chroot "$root" env LC_ALL=C.UTF-8 "$@"; }

mkdir -p "$root/boot/build" "$root/boot/packages"
# The apt of the build host, with the sources and the architecture of the image.
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
image=$(apt-cache depends --important "$kernel" | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1)
[ -n "$image" ]
(cd "$root/boot/packages" && apt-get -q -o APT::Sandbox::User=root download "$image" "$@")
for package in "$root"/boot/packages/*.deb; do
  name=$(dpkg-deb -f "$package" Package)
  printf '%s\t%s\n' "$name" "$(dpkg-deb -f "$package" Version)" >>"$root/boot/unpacked"
  case $name in
    linux-image-*) dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink ;;
    *) dpkg-deb -x "$package" "$root/boot/build" ;;
  esac
done
rm -rf "$root/boot/packages"
sort -o "$root/boot/unpacked" "$root/boot/unpacked"
in_root dpkg-query -W -f '${Package}\t${Version}\n' | sort >"$root/boot/installed"

release=$(ls "$root/usr/lib/modules")
mv "$root/boot/vmlinuz-$release" "$root/boot/vmlinuz"
echo "$release" >"$root/boot/kernel"
rm -f "$root"/boot/System.map-* "$root"/boot/config-*
modules=$root/usr/lib/modules/$release/kernel
(cd "$modules" && rm -rf sound drivers/gpu drivers/media drivers/infiniband drivers/comedi drivers/isdn \
  drivers/staging/media drivers/video drivers/target drivers/mtd drivers/nfc net/nfc drivers/firewire \
  drivers/accessibility drivers/parport drivers/pcmcia drivers/ntb drivers/edac drivers/vfio \
  drivers/scsi/lpfc drivers/scsi/qla2xxx drivers/scsi/bfa drivers/scsi/bnx2fc drivers/scsi/qedf \
  drivers/scsi/qedi drivers/scsi/qla4xxx drivers/scsi/elx drivers/scsi/fnic drivers/scsi/csiostor \
  drivers/scsi/be2iscsi drivers/scsi/bnx2i drivers/scsi/cxgbi drivers/scsi/fcoe drivers/scsi/libfc \
  drivers/scsi/aic7xxx drivers/scsi/aic94xx drivers/scsi/pcmcia \
  drivers/net/ethernet/mellanox drivers/net/ethernet/chelsio drivers/net/ethernet/qlogic \
  drivers/net/ethernet/netronome drivers/net/ethernet/cavium drivers/net/ethernet/sfc \
  drivers/net/ethernet/brocade drivers/net/ethernet/hisilicon drivers/net/ethernet/huawei \
  drivers/net/arcnet drivers/net/fddi drivers/net/hamradio drivers/net/appletalk drivers/net/ieee802154 \
  fs/9p fs/afs fs/befs fs/bfs fs/btrfs fs/ceph fs/coda fs/cramfs fs/dlm fs/ecryptfs fs/efs fs/erofs \
  fs/freevxfs fs/gfs2 fs/hfs fs/hfsplus fs/hpfs fs/jffs2 fs/jfs fs/minix fs/nfs fs/nfs_common fs/nfsd \
  fs/nilfs2 fs/ntfs fs/ntfs3 fs/ocfs2 fs/omfs fs/orangefs fs/pstore fs/qnx4 fs/qnx6 fs/reiserfs fs/romfs \
  fs/smb fs/sysv fs/ubifs fs/ufs fs/xfs net/ceph net/sunrpc net/rxrpc net/tipc net/sctp net/atm net/ax25 \
  net/netrom net/rose net/lapb net/x25 net/appletalk net/dccp net/rds net/9p net/ieee802154 net/batman-adv \
  lib/test_*.ko* lib/*kunit*)
in_root /usr/sbin/depmod "$release"

# Only perl-base is needed, by the packages themselves.
rm -rf "$root"/usr/share/perl "$root"/usr/share/perl5 "$root"/usr/lib/*-linux-gnu*/libperl.so.* \
  "$root"/usr/lib/*-linux-gnu*/perl
find "$root/usr/share/zoneinfo" -mindepth 1 -maxdepth 1 ! -name UTC ! -name Etc -exec rm -rf {} + 2>/dev/null || true
rm -rf "$root"/usr/lib/*-linux-gnu*/gconv "$root"/usr/lib/udev/hwdb.bin "$root"/usr/lib/udev/hwdb.d \
  "$root"/usr/share/i18n "$root"/usr/share/doc "$root"/usr/share/man "$root"/usr/share/info \
  "$root"/usr/share/locale "$root"/usr/share/lintian "$root"/usr/share/bash-completion \
  "$root"/usr/share/zsh "$root"/usr/share/fish "$root"/usr/lib/python3*/ensurepip \
  "$root"/usr/lib/python3*/idlelib "$root"/usr/lib/python3*/lib2to3 "$root"/usr/lib/python3*/pydoc_data \
  "$root"/usr/share/gcc "$root"/usr/share/gdb "$root"/usr/share/python3 \
  "$root"/usr/lib/podman/quadlet-docs "$root"/usr/bin/podman-remote

# Of another network backend than the one that is installed; podman warns of it.
rm -rf "$root/etc/cni"

# Sources with dates that the image does not keep would make these files stale.
find "$root"/usr/lib/python3* -name __pycache__ -prune -exec rm -rf {} +
in_root python3 -m compileall -q --invalidation-mode unchecked-hash /usr/lib/python3*/

# What differs between two builds, or between two devices.
rm -rf "$root"/etc/ssh/ssh_host_* "$root"/var/lib/apt/lists/* "$root"/var/cache/* "$root"/var/log/* \
  "$root"/var/lib/dbus/machine-id "$root"/etc/resolv.conf "$root"/etc/hostname "$root"/var/lib/dpkg/*-old \
  "$root"/etc/*- "$root"/etc/apt/auth.conf.d/flotta-build.conf "$root"/tmp/* "$root"/var/tmp/* "$root"/var/lib/systemd/random-seed "$root"/var/lib/systemd/catalog/database
: >"$root/etc/machine-id"
