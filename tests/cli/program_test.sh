#!/usr/bin/env bash
# The program's words and exit codes as a user meets them.
set -uo pipefail
# shellcheck source=tests/lib.sh
source "$CLIP_HPC_SOURCE_DIR/tests/lib.sh"
program=$CLIP_HPC_BINARY_DIR/bin/clip_hpc
says() {  # expected exit code, expected text, arguments...
  local code=$1 text=$2 output status
  shift 2
  output=$("$program" "$@" 2>&1)
  status=$?
  [[ $status == "$code" && $output == *"$text"* ]] || { echo "exit $status: $output"; return 1; }
}
check 'version names LibTorch' says 0 'LibTorch 2.' --version
check 'help shows examples' says 0 'Examples:' --help
check 'unknown command' says 2 'did you mean "model"' modle
check 'model: no file' says 2 'needs a file' model
check 'model: missing file' says 2 'does not exist' model nowhere.json
check 'model: size of ViT-B-32' says 0 '302' model "$CLIP_HPC_SOURCE_DIR/configs/models/ViT-B-32.json"
finish
