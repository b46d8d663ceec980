#!/bin/sh
# Run in the installed system: set it up as the role flotta.edge.device would.
set -eu
agent=/var/tmp/flotta/agent
root=/var/tmp/flotta/payload/root
export LC_ALL=C.UTF-8 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1

folder=/opt/flotta/$(cat "$agent/release")
python3 -m venv "$folder"
set --
for file in "$agent"/wheels/*.txt; do
  set -- "$@" --requirement "$file"
done
"$folder/bin/pip" install --quiet --no-index --find-links "$agent/wheels" --require-hashes "$@"
"$folder/bin/pip" install --quiet --no-index --no-deps "$agent"/wheels/flotta_edge-*.whl
cp "$agent/programs.json" "$folder/"
ln -sfn "$(basename "$folder")" /opt/flotta/current

cp -R "$agent/etc/." /etc/
systemd-sysusers
# The host has its own names, and its network is as the installer set it up.
if [ -e "$root/etc/hosts" ]; then
  grep -vxFf /etc/hosts "$root/etc/hosts" | grep -v localhost >>/etc/hosts || true
  rm "$root/etc/hosts"
fi
rm -rf "$root/etc/systemd/network"
cp -a "$root/." /
chown flotta-gateway:flotta-gateway /etc/pki/consumer/key.pem
if [ -e /usr/local/share/ca-certificates/flotta-extra.crt ]; then
  update-ca-certificates
fi
"$folder/bin/python" -m flotta.live.installed_system /var/tmp/flotta/payload/manifest.json
systemd-tmpfiles --create flotta-device.conf || true  # what is below /run comes with the first boot
systemctl enable flotta-gateway.service flotta-device-worker.service
