#!/bin/bash
# Create or remove a site whose control plane runs on Kubernetes, all on this machine: a node, an S3 server
# and two devices as hosts in podman, with what inventories/kubernetes describes.
#
#   kubernetes_site.sh up | down
#
# Environment: FLOTTA_SITE and FLOTTA_SITE_NAME, as in tests/cluster/node.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
export FLOTTA_SITE=${FLOTTA_SITE:-.site-kubernetes}
export FLOTTA_SITE_NAME=${FLOTTA_SITE_NAME:-flotta-kubernetes}
archive=.cache/flotta/control-plane.tar
began=$SECONDS

heading() { printf '\n== %s (%d:%02d)\n' "$1" $(((SECONDS - began) / 60)) $(((SECONDS - began) % 60)); }
hosts() { .venv-site/bin/ansible-playbook -i tests/cluster/inventory "$@"; }
site() { .venv-site/bin/ansible-playbook -i inventories/kubernetes -i tests/cluster/inventory "$@"; }

up() {
  heading "Machines; Kubernetes (minutes, the first time) and the control plane's image are built in the background"
  scripts/test_servers.sh node >/dev/null &
  local servers=$!
  scripts/image.sh --save "$archive" &
  local image=$!
  hosts flotta.edge.local_hosts
  wait "$servers"
  heading "Kubernetes and object storage"
  tests/cluster/node.sh up &
  local node=$!
  hosts tests/cluster/storage.yml
  wait "$node"
  wait "$image"
  tests/cluster/node.sh load "$archive"
  cp "$archive.name" "$FLOTTA_SITE/control-plane-image"
  heading "Control plane and devices"
  site site.yml
}

down() {
  [ -d "$FLOTTA_SITE" ] || { echo "There is no Kubernetes site here."; return; }
  [ ! -e "$FLOTTA_SITE/kubeconfig" ] || site playbooks/decommission.yml -e flotta_decommission=yes ||
    echo "Not every device could be decommissioned; the hosts are removed anyway."
  hosts flotta.edge.local_hosts_absent
}

stop_builds() {
  local builds
  builds=$(jobs -p)
  # shellcheck disable=SC2086  # a list of numbers
  [ -z "$builds" ] || kill $builds 2>/dev/null || true
}
trap stop_builds EXIT

case ${1:-} in
  up | down) "$1" ;;
  *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
