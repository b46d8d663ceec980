#!/bin/sh
# Decommission the devices, then remove the local hosts even if the first step failed.
set -u
cd "$(dirname "$0")/.." || exit
playbook=".venv-site/bin/ansible-playbook -i inventories/local"
[ -d .site/hosts ] || {
  echo "There is no local site here."
  exit 0
}
$playbook playbooks/decommission.yml -e flotta_decommission=yes || echo "Not every device could be decommissioned; the hosts are removed anyway."
exec $playbook flotta.edge.local_hosts_absent
