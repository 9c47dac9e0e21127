# shellcheck shell=bash
# Sourced by script tests. Counts go to test-results/<script>.txt for tests/run.sh, reasons of skips beside it.
#   check NAME COMMAND...   passes when COMMAND succeeds
#   skip NAME REASON        counts one skip and says why
#   skip_all REASON         skips the whole script (exit code 77)
#   new_scratch             $scratch: a folder that is removed when the script ends
#   finish                  last command of a script: prints "N passed, N failed, N skipped"
[ -z "${test_results:-}" ] || return 0 # a script may come here through two others
set -uo pipefail
export CLIP_HPC_SOURCE_DIR=${CLIP_HPC_SOURCE_DIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
export CLIP_HPC_BINARY_DIR=${CLIP_HPC_BINARY_DIR:-$CLIP_HPC_SOURCE_DIR/build/release}
passed=0 failed=0 skipped=0
test_results=$CLIP_HPC_BINARY_DIR/test-results
test_name=$(basename "$0" .sh)
mkdir -p "$test_results"
rm -f "$test_results/$test_name".{txt,skips}
check() {
  local name=$1
  shift
  if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "FAILED: $name"; fi
}
skip() {
  skipped=$((skipped + 1))
  echo "skipped: $1: $2"
  echo "$test_name: $1: $2" >>"$test_results/$test_name.skips"
}
new_scratch() {
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
}
skip_all() {
  skip everything "$1"
  finish
  exit 77
}
finish() {
  echo "$passed $failed $skipped" >"$test_results/$test_name.txt"
  echo "$passed passed, $failed failed, $skipped skipped"
  ((failed == 0))
}
