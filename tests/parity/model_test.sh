#!/usr/bin/env bash
# Features, loss and every gradient equal open_clip's, for each variant of the towers.
# shellcheck source=tests/parity/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch

# NAME VISION TEXT TOP: a small model; each is what goes into vision_cfg, text_cfg and the top level.
write_model() {
  cat >"$scratch/$1.json" <<MODEL
{
  "embed_dim": 24${4:+, $4},
  "vision_cfg": { "image_size": 32, "layers": 3, "width": 48, "patch_size": 8, "head_width": 16${2:+, $2} },
  "text_cfg": { "context_length": 12, "vocab_size": 97, "width": 32, "heads": 2, "layers": 2${3:+, $3} }
}
MODEL
}
# NAME CONFIG PRECISION [dump.key=value]...: one case for the comparison below, which starts the peer once for all.
case_of() {
  "$dump" model "$2" "$scratch/$1" "dump.precision=${3%_tight}" "${@:4}" && echo "$1 $2 $scratch/$1 $3" >>"$scratch/cases"
}

# Shapes of ViT-B-32, scaled down: 7 x 7 patches and 77 tokens, and the same ratios of widths.
cat >"$scratch/b32.json" <<'MODEL'
{
  "embed_dim": 64,
  "vision_cfg": { "image_size": 112, "layers": 3, "width": 96, "patch_size": 16, "head_width": 8 },
  "text_cfg": { "context_length": 77, "vocab_size": 1000, "width": 64, "heads": 8, "layers": 3 }
}
MODEL
write_model plain '' '' ''
write_model quick_gelu '' '' '"quick_gelu": true'
write_model avg '"pool_type": "avg"' '' ''
write_model eos '' '"pool_type": "eos"' ''
write_model last '' '"pool_type": "last"' ''
write_model no_mask '' '"no_causal_mask": true' ''
write_model no_ln_pre '"no_ln_pre": true, "mlp_ratio": 3.0' '"mlp_ratio": 2.5' '"init_logit_scale": 1.5'

case_of b32_scaled_down "$scratch/b32.json" fp32
for variant in plain quick_gelu avg eos last no_mask no_ln_pre; do
  case_of $variant "$scratch/$variant.json" fp64
  case_of ${variant}_fp32 "$scratch/$variant.json" fp32_tight
done
case_of flip_half_of_the_patches "$scratch/plain.json" fp32 dump.mask_ratio=0.5
case_of flip_three_quarters_of_49 "$scratch/b32.json" fp32 dump.mask_ratio=0.75
case_of flip_mean_of_the_patches "$scratch/avg.json" fp32 dump.mask_ratio=0.5
case_of text_cut_behind_its_end "$scratch/eos.json" fp32 dump.tokens=9
case_of fp64_to_nine_digits "$scratch/b32.json" fp64
case_of bf16_same_direction "$scratch/b32.json" bf16
case_of tiny_of_the_quick_start "$CLIP_HPC_SOURCE_DIR/configs/models/tiny.json" fp32

against model_parity.py <"$scratch/cases" >"$scratch/answers" 2>&1 || cat "$scratch/answers"
grep -vE '^(equal|[0-9]+ comparisons, 0 failed)' "$scratch/answers"
names=(b32_scaled_down {plain,quick_gelu,avg,eos,last,no_mask,no_ln_pre}{,_fp32} flip_half_of_the_patches flip_three_quarters_of_49
  flip_mean_of_the_patches text_cut_behind_its_end fp64_to_nine_digits bf16_same_direction tiny_of_the_quick_start)
for name in "${names[@]}"; do check "$name" grep -qx "equal $name" "$scratch/answers"; done
finish
