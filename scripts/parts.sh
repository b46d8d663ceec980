# shellcheck shell=bash
# Sourced by the scripts that check things in several parts. A failed part does not stop the next one;
# `failed` counts them. RESULTS may name a folder for the results: in the file `parts`, a line with verdict
# and name for each part that counts as one; in `times`, for each part its start, duration, CPU time
# of its programs, verdict and name; in `reasons`, the last lines of the output of each that failed.
failed=0
REASON_LINES=25
bin=$PWD/.venv-dev/bin
export PYTHONPATH=$PWD/src PATH=$bin:$PATH

record() {
  [ "$1" != FAILED ] || failed=$((failed + 1))
  [ -z "${RESULTS:-}" ] || printf '%s\t%s\n' "$1" "$2" >>"$RESULTS/parts"
}

# Put the CPU time of this shell's programs that have ended, in hundredths of a second, into `used`.
look_at_processors() {
  local stat
  read -ra stat <"/proc/$BASHPID/stat"
  used=$((stat[15] + stat[16]))
}

# timed NAME COMMAND…: run the command, then print its outcome and how long it took. Exit code 77 means
# skipped: something is missing on this machine.
timed() {
  local name=$1 began=$EPOCHSECONDS used before took log=/proc/$BASHPID/fd/1 shown
  shift
  shown=$(stat --dereference --format=%s "$log")
  look_at_processors && before=$used
  "$@" </dev/null
  case $? in 0) verdict=passed ;; 77) verdict=skipped ;; *) verdict=FAILED ;; esac
  look_at_processors && took=$((EPOCHSECONDS - began))
  printf '%-7s  %s (%d s)\n' "$verdict" "$name" $took
  [ -n "${RESULTS:-}" ] || { [ $verdict = passed ]; return; }
  printf '%d\t%d\t%d\t%s\t%s\n' "$began" $took $(((used - before + 50) / 100)) $verdict "$name" >>"$RESULTS/times"
  [ $verdict = passed ] || give_reason
  [ $verdict = passed ]
}

# Keep the last lines that a part wrote to the log of its lane, under its name.
give_reason() {
  [ -f "$log" ] || return
  printf '\n-- %s %s:\n' "${name?}" "$verdict" >>"$RESULTS/reasons"
  tail --bytes=+$((shown + 1)) "$log" | tail --lines=$REASON_LINES | cut --characters=-300 >>"$RESULTS/reasons"
}

# part NAME COMMAND…: the same, and record it.
part() {
  timed "$@"
  record "$verdict" "$1"
  [ "$verdict" = passed ]
}

# tests NAME FOLDER [OPTION…]: run pytest, with another Python if `python` names one. Where results are
# collected, its tests count one by one.
# `-n 2 --dist loadfile` runs the files of a folder in two processes, each with its own servers: a third
# process costs more for its idle API servers than it gains.
tests() {
  local name=$1 folder=$2 file
  shift 2
  if [ -z "${RESULTS:-}" ]; then
    part "$name" "${python:-python}" -m pytest -q "$folder" "$@"
    return
  fi
  file=$RESULTS/${name// /-}.xml
  rm -f "$file"
  timed "$name" "${python:-python}" -m pytest -q "$folder" "--junitxml=$file" "$@" && return
  failed=$((failed + 1))
  # A run that was aborted has no failed test.
  grep -Eqs '(failures|errors)="[1-9]' "$file" || record FAILED "$name"
  return 1
}

# quiet COMMAND…: show the output of the command only if it fails.
quiet() {
  local report code
  report=$("$@" 2>&1) && return
  code=$?
  printf '%s\n' "$report"
  return $code
}
