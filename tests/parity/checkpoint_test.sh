#!/usr/bin/env bash
# open_clip loads the checkpoint of a training run.
# shellcheck source=tests/parity/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
new_scratch
train() { "$clip_hpc" --config "$scratch/tiny.cfg" --run-dir "$scratch/run" "$@" >"$scratch/log" 2>&1 || { cat "$scratch/log"; return 1; }; }
check 'training set' make_tiny "$scratch"
check 'training' train --set eval.tasks=zeroshot
check 'open_clip takes the weights' against checkpoint_parity.py "$scratch/run/checkpoints/step_000000008"
finish
