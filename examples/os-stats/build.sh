#!/bin/sh
# Build the image localhost/flotta-edge-os-stats:1 and, if a path is given, save it there.
#
#   build.sh [ARCHIVE]
#
# It needs podman, and Debian's package busybox-static, which is downloaded unless BUSYBOX names a
# statically linked busybox. podman obeys CONTAINERS_CONF as usual.

set -eu

IMAGE=${IMAGE:-localhost/flotta-edge-os-stats:1}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The image must not depend on the umask of the user who builds it.
umask 022
chmod 755 "$work"

busybox() {
	if [ -n "${BUSYBOX:-}" ]; then
		echo "$BUSYBOX"
		return
	fi
	mkdir "$work/package"
	(
		cd "$work/package"
		chmod 777 . # apt downloads as the user _apt
		apt-get -q download busybox-static >&2
		dpkg-deb -x busybox-static_*.deb .
	) || {
		echo "build.sh: cannot download busybox-static; run apt-get update, or set BUSYBOX" >&2
		exit 1
	}
	echo "$work/package/bin/busybox"
}

source=$(busybox)
root=$work/context/rootfs
mkdir -p "$root/bin" "$root/etc" "$root/export"
mkdir -m 1777 "$root/tmp"
install -m 755 "$source" "$root/bin/busybox"
for applet in $("$source" --list); do
	[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
cp "$here/os-stats" "$here/Containerfile" "$work/context/"

podman build --quiet --timestamp 0 --tag "$IMAGE" "$work/context"

if [ $# -gt 0 ]; then
	podman save --quiet --output "$work/image.tar" "$IMAGE"
	mkdir -p "$(dirname "$1")"
	cp "$work/image.tar" "$1.new"
	mv "$1.new" "$1"
fi
