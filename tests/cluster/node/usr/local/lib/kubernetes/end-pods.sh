#!/bin/bash
# Ask every process of a pod to end, and end those that have not after some seconds. Without it
# systemd would wait much longer for them when the host goes down.
set -uo pipefail
grace=5

processes() {
  find /sys/fs/cgroup -path '*/kubepods/*' -name cgroup.procs -exec cat {} + 2>/dev/null | grep -vx 0 | sort -u
}

tell() { processes | xargs --no-run-if-empty kill "-$1" 2>/dev/null; }

tell TERM
for ((tenths = 0; tenths < grace * 10; tenths++)); do
  [ -n "$(processes)" ] || exit 0
  sleep 0.1
done
tell KILL
exit 0
