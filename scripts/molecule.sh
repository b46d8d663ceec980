#!/bin/bash
# Run Molecule scenarios of the collection, each on its own hosts in podman on this machine.
#
#   molecule.sh [SCENARIO…]        default: all of them
#
# A scenario that fails does not stop the others. An `absent` that follows `default` removes its site. `upgrade` is left out where
# this clone has no earlier release. With KEEP_SITE=1 the hosts stay. Everything that the scenarios write on this machine is in
# .cache/molecule and .cache/flotta. Exit code 77: every scenario was left out. Environment: STEP, a command of Molecule to run in
# place of the whole scenario, on hosts that stay; FLOTTA_SITE_NAME, prefix of containers and networks (flotta-molecule).
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
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

# is_left FOLDER: tell whether a site, or only its hosts, are there.
is_left() { [ -d "$1" ] || [ -n "$(podman ps --all --quiet --filter "label=flotta.edge.site=$1")" ]; }

# run SCENARIO: exit code 77 if it needs what is not here.
run() {
  if [ "$1" = upgrade ]; then FLOTTA_FORMER_ARTIFACT=$("$top/scripts/former_artifact.sh") || return; fi
  [ -z "${STEP:-}" ] || { molecule "$STEP" --scenario-name "$1"; return; }
  scenario=$1
  molecule reset --scenario-name "$1" >/dev/null || return # what a broken run noted
  ! is_left "$FLOTTA_MOLECULE_DIRECTORY/$1" || destroy || return # absent has no folder of its own
  molecule test --scenario-name "$1" --destroy never
}

failed='' left_out=0
remove() {
  clean || failed+=" the removal of $scenario;"
  scenario=''
}

cd collections/ansible_collections/flotta/edge || exit 1
for next; do
  printf '\n== %s\n' "$next"
  if [ "$scenario $next" = "default absent" ]; then
    [ -z "$last" ] || { echo "Left out: it goes on from default, which failed." && continue; }
  else
    remove
  fi
  last=''
  run "$next"
  case $? in 0) ;; 77) left_out=$((left_out + 1)) ;; *) failed+=" $next;" last=failed ;; esac
done
remove
[ -z "$failed" ] || { printf '\nThese failed:%s\n' "${failed%;}" && exit 1; }
[ $left_out != $# ] || exit 77
