# shellcheck shell=bash
# Sourced by the scripts that check things in several parts. A part that fails does not stop the
# next one; `failed` counts them. RESULTS may name a file that gets a line for each part.
failed=0
bin=$PWD/.venv-dev/bin
export PYTHONPATH=$PWD/src PATH=$bin:$PATH

# part NAME COMMAND…: run the command, then say how it went and how long it took.
part() {
  local name=$1 began=$SECONDS verdict=passed
  shift
  "$@" </dev/null || verdict=FAILED
  printf '%-6s  %s (%d s)\n' "$verdict" "$name" $((SECONDS - began))
  [ $verdict = passed ] || failed=$((failed + 1))
  [ -z "${RESULTS:-}" ] || printf '%s\t%s\n' "$verdict" "$name" >>"$RESULTS"
}

# quiet COMMAND…: show what the command says only when it fails.
quiet() {
  local report
  report=$("$@" 2>&1) || { printf '%s\n' "$report"; return 1; }
}
