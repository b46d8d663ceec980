#!/bin/sh
# Write the locked requirements: requirements/{control-plane,device,sync,images,site,dev,molecule,go,quality,ansible-*}.txt.
#
#   lock.sh UV
#
# All files take their versions from one resolution, so that the extras can share a virtual environment.
set -eu
uv=$1
cd "$(dirname "$0")/.."
all=$(mktemp)
trap 'rm -f "$all"' EXIT

compile() {
  output=$1
  shift
  "$uv" pip compile --quiet --universal --python-version "${python:-3.11}" $config --generate-hashes --no-emit-index-url \
    --no-emit-find-links --no-header --no-annotate "$@" --output-file "$output"
}

"$uv" pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
  --upgrade --no-header --no-annotate --all-extras --group dev pyproject.toml requirements/site.in --output-file "$all"
# Controllers on any system collect wheels with these files, so no marker may depend on where uv runs.
config=--no-config
for extra in control-plane device sync images; do
  compile "requirements/$extra.txt" --constraint "$all" --extra "$extra" pyproject.toml
done
config=
compile requirements/site.txt --constraint "$all" requirements/site.in
compile requirements/go.txt requirements/go.in
compile requirements/quality.txt --upgrade requirements/quality.in  # apart: nothing of it runs beside our code
compile requirements/dev.txt --constraint "$all" --all-extras --group dev pyproject.toml requirements/site.in
compile requirements/molecule.txt --constraint requirements/dev.txt requirements/molecule.in
# The other releases of ansible-core that the collection is tested on, besides the one in dev.txt.
for core in 2.17 2.18; do
  echo "ansible-core==$core.*" | compile "requirements/ansible-$core.txt" --upgrade -
done
for core in 2.20 2.21; do
  echo "ansible-core==$core.*" | python=3.12 compile "requirements/ansible-$core.txt" --upgrade -
done
# Programs that others repackaged: the lock files have their hashes, their makers say which are right.
"${uv%/*}/python" scripts/check_binaries.py
