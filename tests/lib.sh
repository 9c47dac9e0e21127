# Sourced by script tests: check NAME COMMAND... ; finish. Counts go to test-results/<script>.txt for tests/run.sh.
passed=0 failed=0 skipped=0
check() {
  local name=$1
  shift
  if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "FAILED: $name"; fi
}
finish() {
  mkdir -p "$CLIP_HPC_BINARY_DIR/test-results"
  echo "$passed $failed $skipped" >"$CLIP_HPC_BINARY_DIR/test-results/$(basename "$0" .sh).txt"
  echo "$passed passed, $failed failed, $skipped skipped"
  ((failed == 0))
}
