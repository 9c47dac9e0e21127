#!/usr/bin/env bash
# Documents follow the program: docs/config.md the option table, docs/errors.md the messages, docs/architecture.md the modules.
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
doc=$CLIP_HPC_SOURCE_DIR/docs/config.md
is_current() {
  diff -u "$doc" <("$clip_hpc" train --help-markdown) && return
  echo "docs/config.md is out of date; refresh it with: build/release/bin/clip_hpc train --help-markdown > docs/config.md"
  return 1
}
check 'docs/config.md is current' is_current
check 'it names every key' test "$("$clip_hpc" train --help | grep -cE '^  [a-z]+\.[a-z0-9_]+ ')" = "$(grep -c '^| `' "$doc")"

# Every piece of a message in the first column of a table, cut at the places of names and numbers, stands in a program.
absent_messages() {
  local piece text
  text=$(strings -n 3 "$clip_hpc" "$clip_report" "$CLIP_HPC_BINARY_DIR/bin/clip_study" && cat "$CLIP_HPC_SOURCE_DIR"/jobs/{study_cell,env}.sh)
  # shellcheck disable=SC2016
  grep -E '^\| `' "$CLIP_HPC_SOURCE_DIR/docs/errors.md" | cut -d'|' -f2 | grep -oE '`[^`]+`' | tr -d '`' |
    sed 's/…/\n/g' | sed -E 's/^[ "]+//; s/[ ":]+$//' | grep -E '.{6}' | sort -u |
    while IFS= read -r piece; do [[ $text == *"$piece"* ]] || echo "not in the program: $piece"; done
}
if command -v strings >/dev/null; then
  check 'docs/errors.md: the table is read' test "$(grep -cE '^\| `' "$CLIP_HPC_SOURCE_DIR/docs/errors.md")" -gt 30
  check 'docs/errors.md: messages of the program' test -z "$(absent_messages | tee /dev/stderr)"
else
  skip 'docs/errors.md' 'needs strings of binutils'
fi
for module in "$CLIP_HPC_SOURCE_DIR"/include/clip_hpc/*/; do
  check "docs/architecture.md: module $(basename "$module")" grep -q "^| \`$(basename "$module")\` |" "$CLIP_HPC_SOURCE_DIR/docs/architecture.md"
done
finish
