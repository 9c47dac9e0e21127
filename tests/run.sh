#!/usr/bin/env bash
# Sets up, builds and runs all tests. The last line is "N passed, N failed, N skipped".
#   tests/run.sh             everything            tests/run.sh LABEL...   only these labels (unit, cli, house, mpi)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
jobs/setup.sh
cmake --preset release
cmake --build --preset release
results=build/release/test-results
rm -rf "$results"
mkdir -p "$results"
select=()
if (($#)); then select=(-L "^($(IFS='|'; echo "$*"))\$"); fi
status=0
ctest --test-dir build/release --output-on-failure --output-junit "$PWD/$results/ctest.xml" "${select[@]}" || status=$?

# GoogleTest programs report their cases as XML, scripts as a line; a program that crashed wrote neither and counts once.
passed=0 failed=0 skipped=0
count() { sed -n "s/.*<testsuites [^>]*\b$2=\"\([0-9]*\)\".*/\1/p" "$1" | head -1; }
for file in "$results"/*.xml; do
  [[ -e $file && $file != */ctest.xml ]] || continue
  all=$(count "$file" tests) bad=$(($(count "$file" failures) + $(count "$file" errors)))
  skip=$(grep -c 'result="skipped"' "$file" || true)
  passed=$((passed + all - bad - skip)) failed=$((failed + bad)) skipped=$((skipped + skip))
done
for file in "$results"/*.txt; do
  [[ -e $file ]] || continue
  read -r ok bad skip <"$file"
  passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
done
if ((status != 0 && failed == 0)); then failed=1; fi
if ((passed + failed == 0)); then failed=1; fi
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
