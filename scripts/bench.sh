#!/bin/sh
# Run every benchmark; the docstring of each says what it measures and how.
set -eu
cd "$(dirname "$0")/.."
for file in bench/*.py; do
  echo "== $file"
  PYTHONPATH=src:tests:tests/integration .venv-dev/bin/python "$file"
done
