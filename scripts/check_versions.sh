#!/bin/bash
# Test the collection on each release of ansible-core that runs on every supported Python: the unit tests of
# its modules and the syntax of every playbook and role. On later releases test_deep.sh runs sanity.
#
#   check_versions.sh [VERSION…]        such as 2.17; default: all of them
#
# On the release of the environment for development, these unit tests run with all others.
set -u
cd "$(dirname "$0")/.." || exit 1
. scripts/parts.sh
collection=collections/ansible_collections/flotta/edge
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export ANSIBLE_NOCOLOR=1 NO_COLOR=1

# Playbooks include roles only when they run, so this prints one that reads all their tasks at once.
every_task() {
  local file role
  shopt -s globstar
  printf -- '- hosts: localhost\n  gather_facts: false\n  tasks:\n'
  for file in "$collection"/roles/*/tasks/**/*.yml; do
    role=${file%%/tasks/*}
    printf '    - import_role: {name: flotta.edge.%s, tasks_from: %s}\n' "${role##*/}" "${file#*/tasks/}"
  done
}

# One playbook of the tests needs the collection kubernetes.core.
syntax() {
  every_task >"$work/every_task.yml"
  quiet "$1" -m ansible.cli.playbook --syntax-check -i inventories/local -i inventories/kubernetes \
    site.yml playbooks/*.yml "$collection"/playbooks/*.yml tests/cluster/storage.yml "$work/every_task.yml"
}

[ $# != 0 ] || set -- 2.17 2.18 2.19
for version; do
  part "ansible-core $version" quiet scripts/ansible_core.sh "$version" || continue
  python=$(scripts/ansible_core.sh "$version")/bin/python
  if [ "$python" != "$bin/python" ]; then
    tests "modules on ansible-core $version" tests/unit/modules tests/integration/test_progress.py tests/integration/test_inventory.py
  fi
  part "syntax of playbooks on ansible-core $version" syntax "$python"
done
[ $failed = 0 ]
