#!/usr/bin/env bash
# Every model configuration of the installed open_clip: read with the same names and shapes, or refused by a key.
# shellcheck source=tests/parity/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
answers=$scratch/answers
against configs_parity.py "$CLIP_HPC_BINARY_DIR/bin/clip_hpc" >"$answers" 2>"$scratch/problems" || cat "$scratch/problems"
grep -E '^(differs|nameless|family)' "$answers"
check 'those that are read have the same tensors' test "$(grep -c '^differs' "$answers")" -eq 0
check 'each refusal is a line that names its key' test "$(grep -c '^nameless' "$answers")" -eq 0
check 'there are refusals' test "$(grep -c '^refused' "$answers")" -gt 40
while read -r name read refused; do
  check "$name: $read read, $refused refused" grep -qx "family $name: $read read, $refused refused" "$answers"
done <<'FAMILIES'
CLIPA 6 0
RN 10 0
SigLIP 26 0
ViT 39 0
convnext 11 0
swin 1 0
vit_ 1 1
MobileCLIP 1 8
EVA 0 7
PE- 0 5
ViTamin 0 15
coca 0 4
nllb 0 4
FAMILIES
check 'text towers of transformers: none read' grep -qx 'family text of transformers: 0 read, 5 refused' "$answers"
finish
