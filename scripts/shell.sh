#!/bin/sh
# Open a shell on a local host, or run a command there.
#
#   shell.sh HOST [COMMAND...]
set -eu
site=$(cd "$(dirname "$0")/.." && pwd)/.site
[ -n "${1:-}" ] || {
  echo "Give the name of a host: make shell HOST=till-1" >&2
  exit 1
}
host=$1
shift
ls "$site"/hosts/*.address >/dev/null 2>&1 || {
  echo "There is no local site here; create one with: make site" >&2
  exit 1
}
[ -f "$site/hosts/$host.address" ] || {
  echo "There is no local host $host. Local hosts:" >&2
  (cd "$site/hosts" && for file in *.address; do echo "  ${file%.address}"; done) >&2
  exit 1
}
address=$(cat "$site/hosts/$host.address")
exec ssh -i "$site/id_ed25519" -o IdentitiesOnly=yes -o LogLevel=ERROR \
  -o UserKnownHostsFile="$site/hosts/$address.known_hosts" "root@$address" "$@"
