#!/usr/bin/env bash
# docs/config.md is what the option table says.
set -uo pipefail
export CLIP_HPC_SOURCE_DIR=${CLIP_HPC_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
export CLIP_HPC_BINARY_DIR=${CLIP_HPC_BINARY_DIR:-$CLIP_HPC_SOURCE_DIR/build/release}
# shellcheck source=tests/lib.sh
source "$CLIP_HPC_SOURCE_DIR/tests/lib.sh"
# shellcheck source=tests/cli/common.sh
source "$CLIP_HPC_SOURCE_DIR/tests/cli/common.sh"
doc=$CLIP_HPC_SOURCE_DIR/docs/config.md
is_current() {
  diff -u "$doc" <("$clip_hpc" train --help-markdown) && return
  echo "docs/config.md is out of date; refresh it with: build/release/bin/clip_hpc train --help-markdown > docs/config.md"
  return 1
}
check 'docs/config.md is current' is_current
check 'it names every key' test "$("$clip_hpc" train --help | grep -cE '^  [a-z]+\.[a-z0-9_]+ ')" = "$(grep -c '^| `' "$doc")"
finish
