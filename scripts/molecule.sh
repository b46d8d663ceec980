#!/bin/bash
# Run Molecule scenarios of the collection, each on its own hosts in podman on this machine.
#
#   molecule.sh [SCENARIO…]        default: all of them
#
# An `absent` that follows `default` removes its site. With KEEP_SITE=1 the hosts stay. Everything that the scenarios write on this
# machine is in .cache/molecule and .cache/flotta. Exit code 77: this clone has no earlier release to upgrade.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
[ $# != 0 ] || set -- default absent changed many debian13 upgrade
export PATH=$top/.venv-molecule/bin:$PATH FLOTTA_MOLECULE_DIRECTORY=$top/.cache/molecule FLOTTA_MOLECULE_CACHE=$top/.cache/flotta
export ANSIBLE_HOME=$top/.cache/ansible MOLECULE_COMMAND_BORDERS=false FLOTTA_FORMER_ARTIFACT=
unset PYTHONPATH

scenario='' # whose hosts may be there
destroy() { molecule destroy --no-report --scenario-name "$scenario"; }
clean() { [ -z "$scenario" ] || [ -n "${KEEP_SITE:-}" ] || destroy; }
trap clean EXIT
trap 'exit 1' INT TERM HUP

[[ " $* " != *" upgrade "* ]] || FLOTTA_FORMER_ARTIFACT=$(scripts/former_artifact.sh)
cd collections/ansible_collections/flotta/edge
for next; do
  [ "$scenario $next" = "default absent" ] || clean
  scenario=$next
  printf '\n== %s\n' "$scenario"
  molecule reset --scenario-name "$scenario" >/dev/null # what a broken run noted
  [ ! -d "$FLOTTA_MOLECULE_DIRECTORY/$scenario" ] || destroy # its hosts; absent has no folder of its own
  molecule test --scenario-name "$scenario" --destroy never
done
