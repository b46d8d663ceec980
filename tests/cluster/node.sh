#!/bin/bash
# A whole Kubernetes node as a systemd host in podman, for tests and experiments.
#
#   node.sh up               create it, wait until it is ready, write kubeconfig into the site's folder
#   node.sh load IMAGE.tar…  load images that podman saved, unless IMAGE.tar.name names one that is loaded
#   node.sh reboot           stop and start the host, wait until it is ready
#   node.sh down             remove the host and all other hosts of its site
#
# Environment: FLOTTA_SITE, folder of the site below the checkout (.site-kubernetes), and
# FLOTTA_SITE_NAME, name of its podman network and prefix of its containers (flotta-kubernetes).
set -euo pipefail
cd "$(dirname "$0")/../.."
export FLOTTA_SITE=${FLOTTA_SITE:-.site-kubernetes}
export FLOTTA_SITE_NAME=${FLOTTA_SITE_NAME:-flotta-kubernetes}
folder=$PWD/$FLOTTA_SITE
container=$FLOTTA_SITE_NAME-node
inventory=tests/cluster/inventory
parts="etcd kube-apiserver kube-controller-manager kube-scheduler containerd kubernetes-pods kubelet kube-proxy"
pause=localhost/flotta-edge-pause:1
export CONTAINERS_CONF=$folder/containers.conf

say() { printf '%s\n' "$*"; }
playbook() { .venv-site/bin/ansible-playbook -i "$inventory" "$@"; }
inside() { podman exec --interactive "$container" "$@"; }
running() { [ "$(podman container inspect --format '{{.State.Running}}' "$container" 2>/dev/null)" = true ]; }
kubectl() { inside kubectl --kubeconfig=/etc/kubernetes/admin.kubeconfig "$@"; }

# eventually SECONDS COMMAND…: retry until it succeeds.
eventually() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 0.3
  done
}

# The node counts as ready only when it has reported so since the host started.
answers() { kubectl get --raw=/readyz && kubectl get --raw=/api/v1/namespaces/default/serviceaccounts/default; }
ready() {
  kubectl get node node -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}{.status.conditions[?(@.type=="Ready")].lastHeartbeatTime}' |
    python3 -c '
import datetime, sys
text = sys.stdin.read()
since = datetime.datetime.fromisoformat(sys.argv[1].split(".")[0]).replace(tzinfo=datetime.timezone.utc)
sys.exit(not text.startswith("True") or datetime.datetime.fromisoformat(text[4:].replace("Z", "+00:00")) < since)
' "$(podman container inspect --format '{{.State.StartedAt.UTC.Format "2006-01-02T15:04:05"}}' "$container")"
}

wait_until_ready() {
  eventually 240 answers || fail "The API server of $container does not answer" kube-apiserver
  eventually 240 ready || fail "$container is not ready" kubelet
}

fail() {
  say "$1; the journal of $2 ends with:" >&2
  inside journalctl --no-pager --output=cat --lines=15 --unit="$2" >&2 || true
  exit 1
}

make_host() {
  running && return
  say "Host $container"
  playbook --limit=localhost,node flotta.edge.local_hosts
}

archive() { tar --create --sort=name --owner=0 --group=0 --mtime=@0 --directory=tests/cluster/node .; }

install_parts() {
  local digest
  digest=$(archive | sha256sum)
  [ "$(inside cat /etc/kubernetes/digest 2>/dev/null)" != "$digest" ] || return 0
  say "Kubernetes on $container"
  archive | inside tar --extract --directory=/ --no-overwrite-dir
  podman cp .venv-site/bin/kubectl "$container:/usr/local/bin/kubectl"
  inside systemctl daemon-reload
  # shellcheck disable=SC2086  # a list of words, here and below
  inside systemctl --quiet enable $parts
  # shellcheck disable=SC2086
  inside systemctl restart $parts
  inside sh -c 'cat >/etc/kubernetes/digest' <<<"$digest"
}

has() { inside /opt/kubernetes/ctr --namespace=k8s.io images list --quiet 2>/dev/null | grep -qxF -- "$1"; }

load_pause() {
  podman image exists localhost/flotta-edge-os-stats:1 || examples/os-stats/build.sh >/dev/null
  podman image exists "$pause" || podman build --quiet --timestamp=0 --tag="$pause" --file=- tests/cluster/node >/dev/null <<'CONTAINERFILE'
FROM localhost/flotta-edge-os-stats:1
ENTRYPOINT ["/bin/sh", "-c", "trap exit TERM; sleep 2000000000 & wait"]
CONTAINERFILE
  has "$pause" && return
  podman save --quiet "$pause" | load_archive
}

load_archive() { inside /opt/kubernetes/ctr --namespace=k8s.io images import - >/dev/null 2>&1; }

hand_out_access() {
  (umask 077 && inside cat /etc/kubernetes/admin.kubeconfig >"$folder/kubeconfig.new")
  cmp -s "$folder/kubeconfig.new" "$folder/kubeconfig" && rm "$folder/kubeconfig.new" && return
  mv "$folder/kubeconfig.new" "$folder/kubeconfig"
  say "Access for kubectl is in $FLOTTA_SITE/kubeconfig."
}

up() {
  make_host
  install_parts
  eventually 120 inside /opt/kubernetes/ctr version || fail "containerd of $container does not answer" containerd
  load_pause
  wait_until_ready
  hand_out_access
}

load() {
  local archive
  for archive; do
    has "$(cat "$archive.name" 2>/dev/null)" && continue
    say "Image $(basename "$archive") to $container"
    load_archive <"$archive"
  done
}

reboot() {
  say "Reboot of $container"
  podman stop --time=20 "$container" >/dev/null
  podman start "$container" >/dev/null
  wait_until_ready
}

down() {
  [ -d "$folder" ] || { say "There is no Kubernetes site here."; return; }
  playbook flotta.edge.local_hosts_absent
}

case ${1:-} in
  up | reboot | down) "$1" ;;
  load) shift && load "$@" ;;
  *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
