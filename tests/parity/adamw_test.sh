#!/usr/bin/env bash
# A hundred steps of AdamW end where torch.optim.AdamW ends: decay groups, clipping, warm-up and cosine, clamp.
# shellcheck source=tests/parity/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
# The logit scale starts below its clamp at ln 100 = 4.605, and its gradient drives it there.
cat >"$scratch/model.json" <<'MODEL'
{
  "embed_dim": 16, "init_logit_scale": 4.59,
  "vision_cfg": { "image_size": 16, "layers": 2, "width": 32, "patch_size": 8, "head_width": 16 },
  "text_cfg": { "context_length": 8, "vocab_size": 100, "width": 32, "heads": 2, "layers": 1 }
}
MODEL
equals_torch() { # name, precision, [section.key=value]...
  local name=$1 precision=$2
  shift 2
  "$dump" optimizer "$scratch/model.json" "$scratch/$name" "$precision" 100 "$@" && against adamw_parity.py "$scratch/$name" "$@"
}
check 'defaults' equals_torch defaults fp32
check 'large rate and decay, other betas and eps' equals_torch large fp32 optim.lr=0.02 optim.weight_decay=0.3 \
  optim.beta1=0.8 optim.beta2=0.95 optim.eps=1e-4
check 'warm-up in steps' equals_torch steps fp32 optim.warmup=25
check 'constant rate, no decay' equals_torch constant fp32 optim.schedule=constant optim.weight_decay=0
check 'no clipping' equals_torch unclipped fp32 optim.clip_norm=0
check 'gradients and weights in bf16, master weights in fp32' equals_torch bf16 bf16
finish
