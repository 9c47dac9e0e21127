#!/usr/bin/env bash
# Initial weights follow open_clip's distributions, parameter by parameter.
set -uo pipefail
export CLIP_HPC_SOURCE_DIR=${CLIP_HPC_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
export CLIP_HPC_BINARY_DIR=${CLIP_HPC_BINARY_DIR:-$CLIP_HPC_SOURCE_DIR/build/release}
# shellcheck source=tests/lib.sh
source "$CLIP_HPC_SOURCE_DIR/tests/lib.sh"
# shellcheck source=tests/parity/common.sh
source "$CLIP_HPC_SOURCE_DIR/tests/parity/common.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cat >"$scratch/model.json" <<'MODEL'
{
  "embed_dim": 96,
  "vision_cfg": { "image_size": 64, "layers": 2, "width": 192, "patch_size": 16, "head_width": 64 },
  "text_cfg": { "context_length": 32, "vocab_size": 2000, "width": 128, "heads": 4, "layers": 3 }
}
MODEL
follows_open_clip() { # seed
  "$dump" init "$scratch/model.json" "$scratch/$1" open_clip "$1" && against init_parity.py "$scratch/model.json" "$scratch/$1"
}
check 'seed 0' follows_open_clip 0
check 'seed 1' follows_open_clip 1
finish
