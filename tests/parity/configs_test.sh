#!/usr/bin/env bash
# Every model configuration of the installed open_clip: read with the same names and shapes, or refused by a key.
# shellcheck source=tests/parity/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
answers=$scratch/answers
against configs_parity.py "$CLIP_HPC_BINARY_DIR/bin/clip_hpc" >"$answers" 2>"$scratch/problems" || cat "$scratch/problems"
grep -E '^(differs|family)' "$answers"
check 'those that are read have the same tensors' test "$(grep -c '^differs' "$answers")" -eq 0
family() { check "$1: $2 read, $3 refused" grep -qx "family $1: $2 read, $3 refused" "$answers"; }
family ViT 46 0
finish
