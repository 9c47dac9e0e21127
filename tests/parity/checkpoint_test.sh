#!/usr/bin/env bash
# open_clip loads the checkpoint of a training run.
set -uo pipefail
export CLIP_HPC_SOURCE_DIR=${CLIP_HPC_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
export CLIP_HPC_BINARY_DIR=${CLIP_HPC_BINARY_DIR:-$CLIP_HPC_SOURCE_DIR/build/release}
# shellcheck source=tests/lib.sh
source "$CLIP_HPC_SOURCE_DIR/tests/lib.sh"
# shellcheck source=tests/parity/common.sh
source "$CLIP_HPC_SOURCE_DIR/tests/parity/common.sh"
# shellcheck source=tests/cli/common.sh
source "$CLIP_HPC_SOURCE_DIR/tests/cli/common.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
train() { "$clip_hpc" --config "$scratch/tiny.cfg" --run-dir "$scratch/run" "$@" >"$scratch/log" 2>&1 || { cat "$scratch/log"; return 1; }; }
check 'training set' make_tiny "$scratch"
check 'training' train --set eval.tasks=zeroshot
check 'open_clip takes the weights' against checkpoint_parity.py "$scratch/run/checkpoints/step_000000008"
finish
