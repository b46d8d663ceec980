#!/bin/bash
# Create or remove a site without Kubernetes and without a resource API, all on this machine: an Edge API with the
# reference data store and an S3 server on one host in podman, and a device on another.
#
#   remote_site.sh up | down
#
# Environment: FLOTTA_SITE, folder of the site below the checkout (.site-remote), and FLOTTA_SITE_NAME, prefix of the
# names of its containers (flotta-remote).
set -euo pipefail
cd "$(dirname "$0")/.."
export FLOTTA_SITE=${FLOTTA_SITE:-.site-remote}
export FLOTTA_SITE_NAME=${FLOTTA_SITE_NAME:-flotta-remote}

playbook() { .venv-site/bin/ansible-playbook -i tests/remote/inventory "$@"; }

up() {
  playbook flotta.edge.local_hosts tests/cluster/storage.yml flotta.edge.control_plane tests/remote/configurations.yml \
    flotta.edge.devices flotta.edge.status
}

down() {
  [ -d "$FLOTTA_SITE" ] || { echo "There is no remote site here."; return; }
  [ ! -e "$FLOTTA_SITE/s3.env" ] || playbook playbooks/decommission.yml -e flotta_decommission=yes ||
    echo "Not every device could be decommissioned; the hosts are removed anyway."
  playbook flotta.edge.local_hosts_absent
}

case ${1:-} in
  up | down) "$1" ;;
  *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
