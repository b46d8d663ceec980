#!/bin/sh
# Open a shell on a local host, or run a command there.
#
#   shell.sh HOST [COMMAND...]
set -eu
site=$(cd "$(dirname "$0")/.." && pwd)/.site
host=${1:?"name a host: make shell HOST=till-1"}
shift
[ -f "$site/hosts/$host.address" ] || {
  echo "There is no local host $host. Run make site, or name one of its hosts:" >&2
  (cd "$site/hosts" 2>/dev/null && for file in *.address; do echo "  ${file%.address}"; done) >&2
  exit 1
}
address=$(cat "$site/hosts/$host.address")
exec ssh -i "$site/id_ed25519" -o IdentitiesOnly=yes -o LogLevel=ERROR \
  -o UserKnownHostsFile="$site/hosts/$address.known_hosts" "root@$address" "$@"
