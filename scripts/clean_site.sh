#!/bin/sh
# Let the devices leave, then remove the local hosts, whatever the first step said.
set -u
cd "$(dirname "$0")/.." || exit
playbook=".venv-site/bin/ansible-playbook -i inventories/local"
[ -d .site/hosts ] || {
  echo "There is no local site here."
  exit 0
}
$playbook playbooks/decommission.yml || echo "Not every device could say goodbye; the hosts go all the same."
exec $playbook flotta.edge.local_hosts_absent
