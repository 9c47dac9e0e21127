#!/usr/bin/env bash
# Sets up, builds and runs all tests but those that need a GPU. The last line is "N passed, N failed, N skipped".
#   tests/run.sh             everything
#   tests/run.sh LABEL...    only these labels: unit mpi source cli slurm parity campaign gpu
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=build/release
results=$PWD/$build/test-results

jobs/setup.sh --tests
cmake --preset release -DCLIP_HPC_TESTS=ON
cmake --build --preset release
rm -rf "$results"
mkdir -p "$results"

if (($#)); then
  select=(-L "^($(IFS='|' && echo "$*"))\$")
else
  select=(-LE '^gpu$')
fi
status=0
ctest --test-dir "$build" --output-on-failure --no-tests=error --output-junit "$results/ctest.xml" "${select[@]}" || status=$?

# GoogleTest programs report their cases as XML (one file a program and number of ranks), scripts as a line of text.
# A program that crashed or ran out of time left neither: it counts as one failure.
passed=0 failed=0 skipped=0
declare -A reported=()
attribute() { sed -nE "s/.*<testsuites [^>]*\b$2=\"([0-9]+)\".*/\1/p" "$1" | head -n1; }
for file in "$results"/*.xml; do
  [[ -e $file && $file != */ctest.xml ]] || continue
  all=$(attribute "$file" tests)
  [[ $all ]] || continue # cut short
  bad=$(($(attribute "$file" failures) + $(attribute "$file" errors)))
  disabled=$(attribute "$file" disabled)
  skip=$(grep -cE '<testcase .*result="skipped"' "$file" || true)
  passed=$((passed + all - bad - skip - ${disabled:-0}))
  failed=$((failed + bad))
  skipped=$((skipped + skip + ${disabled:-0}))
  reported[$(basename "$file" .xml)]=$bad
done
for file in "$results"/*.txt; do
  [[ -e $file ]] || continue
  read -r ok bad skip <"$file"
  passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
  reported[$(basename "$file" .txt)]=$bad
done
silent=()
while IFS= read -r name; do
  known=${reported[$name]-${reported[${name#*.}]-none}}
  if [[ $known == none || $known == 0 ]]; then
    silent+=("$name")
    failed=$((failed + 1))
  fi
done < <(sed -nE 's/.*<testcase name="([^"]*)".* status="fail".*/\1/p' "$results/ctest.xml" 2>/dev/null)
if ((status != 0 && failed == 0)); then failed=1; fi

echo
for file in "$results"/*.xml; do
  [[ -e $file && $file != */ctest.xml ]] || continue
  # GoogleTest puts the reason on the line after the skipped case, behind file and line of the GTEST_SKIP.
  awk -v program="$(basename "$file" .xml)" '
    /<testcase .*result="skipped"/ { match($0, /name="[^"]*"/); name = substr($0, RSTART + 6, RLENGTH - 7) }
    /<skipped message=/ && name != "" {
      reason = $0; sub(/.*message="/, "", reason); sub(/".*/, "", reason); sub(/.*&#x0A;/, "", reason)
      print "skipped: " program ": " name ": " reason; name = "" }' "$file"
done
for file in "$results"/*.skips; do
  [[ -e $file ]] && sed 's/^/skipped: /' "$file"
done
for name in "${silent[@]}"; do
  echo "failed: $name ended without a report (crash, time limit, or an exit code that its report does not explain)"
done
if ((passed + failed == 0)); then
  echo "failed: nothing ran"
  failed=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
