#!/bin/sh
# Run every benchmark; each says in its docstring what it measures and how.
set -eu
cd "$(dirname "$0")/.."
for file in bench/*.py; do
  echo "== $file"
  PYTHONPATH=src:tests:tests/integration .venv-dev/bin/python "$file"
done
