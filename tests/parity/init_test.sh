#!/usr/bin/env bash
# Initial weights follow open_clip's distributions, parameter by parameter.
# shellcheck source=tests/parity/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
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
