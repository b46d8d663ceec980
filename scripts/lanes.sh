# shellcheck shell=bash
# Sourced by the scripts that run many parts in parallel: lanes, each a function in the background with
# its own log. Lanes that compute yield to lanes that mostly wait. The script's `groups` are the words that
# select lanes.
export LC_ALL=C.UTF-8 RESULTS=$PWD/.cache/results PIP_NO_INPUT=1
rm -rf "$RESULTS"
mkdir -p "$RESULTS"
: >"$RESULTS/times"
plain_path=$PATH
. scripts/parts.sh
declare -A lanes=()

# Programs that make starts use their own environments.
make() { PATH=$plain_path PYTHONPATH='' command make --no-print-directory "$@"; }

wanted() { [[ ${groups:?} == *" $1 "* ]]; }
heading() { printf '\n== %s (%d:%02d)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60)); }

# lane NAME FUNCTION: run the function in the background, in its own process group.
lane() {
  set -m
  { "$2"; : >"$RESULTS/$1.over"; } </dev/null >"$RESULTS/$1.log" 2>&1 &
  lanes[$1]=$!
  set +m
  echo "In the background: $1."
}

# What tests need besides the packages of a local site. Unit tests make small ISOs; a machine in QEMU, and
# the boot loaders of ISOs of others, are many packages.
packages() {
  local more=()
  if wanted images; then more=(qemu-system-x86 ovmf squashfs-tools grub-common grub-pc-bin grub-efi-amd64-bin); fi
  part "packages" scripts/packages.sh git shellcheck faketime xorriso mtools fdisk "${more[@]}"
}

# Other lanes wait for these two.
environment() { part "environment" make venv-dev; }
# The tests run against a real API server, the site on Kubernetes on a whole node.
servers() {
  part "API server" scripts/test_servers.sh api
  if wanted kubernetes; then part "Kubernetes" scripts/test_servers.sh node; fi
}

# For a lane that computes: lanes that wait get the processors first when they are ready. Where the kernel
# schedules by session (autogroup), niceness has no effect, but a control group has.
background=/sys/fs/cgroup/cpu/flotta-tests-$$
give_way() {
  mkdir -p "$background" 2>/dev/null && echo 640 >"$background/cpu.shares" && echo $BASHPID >"$background/cgroup.procs" && return
  renice -n 10 --pid $BASHPID >/dev/null
} 2>/dev/null

# has_run PART…: wait until each of these parts has ended, passed or not.
has_run() {
  local name
  for name; do
    until cut -f5 "$RESULTS/times" 2>/dev/null | grep -qxF "$name"; do sleep 1; done
  done
}

# Print the outcome of the parts of all lanes, and the log of a lane when it has ended.
follow() {
  local name over shown=0
  while [ ${#lanes[@]} != 0 ]; do
    over=''
    for name in "${!lanes[@]}"; do kill -0 "${lanes[$name]}" 2>/dev/null || over=$name; done
    tell_parts
    if [ -n "$over" ]; then ended "$over"; else sleep 1; fi
  done
}

# Print the outcome of the parts after the first `shown`.
tell_parts() {
  local began took used verdict name
  while IFS=$'\t' read -r began took used verdict name; do
    printf '%d:%02d  %s  %s (%d:%02d)\n' $((SECONDS / 60)) $((SECONDS % 60)) "$verdict" "$name" $((took / 60)) $((took % 60))
    shown=$((shown + 1))
  done < <(tail -n +$((shown + 1)) "$RESULTS/times")
}

ended() {
  unset "lanes[$1]"
  show "$1"
  [ -e "$RESULTS/$1.over" ] || record FAILED "$1, which was aborted"
}

show() {
  heading "$1"
  cat "$RESULTS/$1.log"
  echo
}

# changes_nothing COMMAND…: run Ansible; succeed if it changed no host.
changes_nothing() {
  local report
  report=$(mktemp --tmpdir="$RESULTS" re-run.XXXXXX.log)
  "$@" 2>&1 | tee "$report"
  [ "${PIPESTATUS[0]}" = 0 ] && grep -q 'changed=' "$report" && ! grep -q 'changed=[1-9]' "$report"
}

# nothing_is_left FOLDER: succeed if it does not exist, nor a container or network of the site in the folder. Podman sees the
# networks of one back end only; that of local hosts is in these settings.
nothing_is_left() {
  local left settings=collections/ansible_collections/flotta/edge/roles/local_hosts/files/containers.conf
  left=$(podman ps --all --filter "label=flotta.edge.site=$PWD/$1" --format '{{.Names}}'
    CONTAINERS_CONF=$PWD/$settings podman network ls --filter "label=flotta.edge.site=$PWD/$1" --format '{{.Name}}'
    ls -d "$1" 2>/dev/null)
  [ -z "$left" ] || { echo "Still there: $left"; return 1; }
}

# no_pods_are_left: succeed if the tests of pods have removed the devices that they made.
no_pods_are_left() {
  local left
  left=$(podman ps --all --filter "label=flotta.edge.pods=$PWD" --format '{{.Names}}')
  [ -z "$left" ] || { echo "Still there: $left"; return 1; }
}

# clean TARGET FOLDER: remove a site, unless KEEP_SITE is set.
clean() {
  [ -z "${KEEP_SITE:-}" ] || return 0
  part "$1" make "$1"
  part "nothing is left after $1" nothing_is_left "$2"
}

# no_scenario_is_left SCENARIO: see that scripts/molecule.sh has removed its hosts, unless KEEP_SITE is set.
no_scenario_is_left() {
  [ -n "${KEEP_SITE:-}" ] || part "nothing is left of Molecule, $1" nothing_is_left ".cache/molecule/$1"
}

# Table and sum need no virtual environment, so they are printed even if creating it failed.
summary() {
  rmdir "$background" 2>/dev/null
  printf '\nAll of it took %d:%02d.\n\n' $((SECONDS / 60)) $((SECONDS % 60))
  [ ! -e "$RESULTS/reasons" ] || { heading "why parts failed or were skipped" && cat "$RESULTS/reasons" && echo; }
  /usr/bin/env python3 scripts/sum_results.py "$RESULTS"
}

# ended_all PID: wait until all programs of a lane are gone; that of Molecule removes its hosts first.
ended_all() {
  local latest=$((SECONDS + 120))
  wait "$1"
  while kill -0 -- "-$1" 2>/dev/null && [ $SECONDS -lt $latest ]; do sleep 0.2; done
}

interrupted() {
  local name
  trap '' INT TERM HUP
  for name in "${!lanes[@]}"; do kill -- "-${lanes[$name]}"; done
  for name in "${!lanes[@]}"; do
    ended_all "${lanes[$name]}"
    show "$name"
  done
  record FAILED interrupted
  [ -n "${KEEP_SITE:-}" ] || { ! wanted site || make clean-site; ! wanted kubernetes || make clean-site-kubernetes
    ! wanted remote || make clean-site-remote; }
  summary
  exit 1
}
trap interrupted INT TERM HUP
