#!/bin/sh
# Write an archive with a small image, from programs of this machine: a shell, mkdir and sleep.
#
#   sample-image.sh ARCHIVE [TAG]
set -eu
archive=$1 image=localhost/flotta-molecule-sample:${2:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022

for program in /bin/sh /bin/mkdir /bin/sleep; do
  for file in "$program" $(ldd "$program" | grep -o '/[^ ]*'); do
    mkdir -p "$work/root${file%/*}"
    cp --dereference "$file" "$work/root$file"
  done
done
tar --create --file "$work/root.tar" --directory "$work/root" .
podman import --quiet "$work/root.tar" "$image" >/dev/null
podman save --quiet --output "$work/image.tar" "$image"
podman rmi --force "$image" >/dev/null
mv "$work/image.tar" "$archive"
