#!/usr/bin/env bash
# Variants of open_clip's Vision Transformer and text tower, and timm's Vision Transformers: features, loss and every
# gradient equal open_clip's; sizes; what is refused.
# shellcheck source=tests/parity/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
new_scratch
cd "$scratch" || exit 1
write_model() { # NAME VISION TEXT TOP
  cat >"$1.json" <<MODEL
{
  "embed_dim": 48${4:+, $4},
  "vision_cfg": { $2 },
  "text_cfg": { "context_length": 12, "vocab_size": 97, "width": 48, "heads": 3, "layers": 2${3:+, $3} }
}
MODEL
}
names=()
case_of() { # NAME MODEL PRECISION [WORDS...]
  names+=("$1")
  "$dump" model "$2.json" "$1" "dump.precision=${3%_tight}" "${@:4}" && echo "$1 $2.json $1 $3" >>cases
}
both() { case_of "$1" "$1" fp64 && case_of "$1_fp32" "$1" fp32_tight; }

# --- open_clip's own ---------------------------------------------------------------------------------------------------
own='"image_size": 32, "layers": 3, "width": 48, "patch_size": 8, "head_width": 16'
write_model layer_scale "$own, \"ls_init_value\": 0.1" '"ls_init_value": 0.2'
write_model norm_behind_the_mean "$own, \"pool_type\": \"avg\", \"final_ln_after_pool\": true, \"no_ln_pre\": true" \
  '"pool_type": "last", "no_causal_mask": true'
write_model sin_cos "$own, \"pos_embed_type\": \"sin_cos_2d\"" '"pool_type": "first"'
write_model tanh_and_eps "$own, \"act_kwargs\": {\"approximate\": \"tanh\"}, \"norm_kwargs\": {\"eps\": 1e-3}" \
  '"act_kwargs": {"approximate": "tanh"}, "norm_kwargs": {"eps": 1e-6}'
write_model siglip_text "$own" '"pool_type": "last", "no_causal_mask": true, "proj_bias": true, "norm_kwargs": {"eps": 1e-6}' \
  '"custom_text": true, "init_logit_bias": -10'
write_model no_projection "$own" '"proj_type": "none"' '"custom_text": true'
write_model conv_stem "$own, \"conv_stem\": [8, 16, 24]"
for model in conv_stem layer_scale norm_behind_the_mean sin_cos tanh_and_eps siglip_text no_projection; do both $model; done
case_of conv_stem_flip conv_stem fp64 dump.mask_ratio=0.5
case_of layer_scale_flip layer_scale fp64 dump.mask_ratio=0.5

# --- timm's ------------------------------------------------------------------------------------------------------------
timm() { # NAME MORE: a small one of this kind
  echo "\"timm_model_name\": \"$1\", \"image_size\": 32, \"timm_model_kwargs\": {\"img_size\": 32, \"patch_size\": 8,
    \"embed_dim\": 48, \"depth\": 3, \"num_heads\": 3${3:-}}${2:+, $2}"
}
write_model siglip "$(timm vit_base_patch16_siglip_224 '"timm_pool": "map", "timm_proj": "none"' ', "mlp_ratio": 3.7362')"
write_model siglip_tanh "$(timm vit_base_patch32_siglip_256 '"timm_pool": "map", "timm_proj": "linear"')"
write_model siglip_gelu "$(timm vit_base_patch32_siglip_256 '"timm_pool": "map"' ', "act_layer": "gelu"')"
write_model timm_plain "$(timm vit_base_patch16_224 '"timm_pool": "token", "timm_proj": "mlp"')"
write_model timm_clip "$(timm vit_base_patch16_clip_224 '"timm_pool": "token", "timm_proj": null')"
write_model timm_gap "$(timm vit_medium_patch16_gap_256 '"timm_pool": "avg"')"
write_model timm_deep "$(timm vit_base_patch16_224 '"timm_pool": "", "timm_drop_path": 0.4')"
write_model odd_size '"timm_model_name": "vit_base_patch16_siglip_224", "timm_pool": "map", "image_size": 36, "timm_model_kwargs":
  {"img_size": 36, "patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 3}'
for model in siglip siglip_tanh siglip_gelu timm_plain timm_clip timm_gap odd_size; do both $model; done
case_of siglip_flip siglip fp64 dump.mask_ratio=0.5
case_of timm_clip_flip timm_clip fp64 dump.mask_ratio=0.5
case_of timm_deep timm_deep fp64 dump.depth=true
case_of siglip_bf16 siglip bf16

# Twenty steps of training.
: >trained
for model in siglip timm_clip; do
  names+=("${model}_trained")
  "$dump" train $model.json "${model}_trained" 20 && echo "${model}_trained $model.json ${model}_trained" >>trained
done
against model_parity.py <cases >answers 2>&1 || cat answers
against training_parity.py <trained >>answers 2>&1 || cat answers
grep -vE '^(equal|[0-9]+ comparisons, 0 failed)' answers
for name in "${names[@]}"; do check "$name" grep -qx "equal $name" answers; done

# --- weights of another image size -------------------------------------------------------------------------------------
resized() { # MODEL SIZE
  sed "s/\"image_size\": 32/\"image_size\": $2/; s/\"img_size\": 32/\"img_size\": $2/" "$1.json" >"$1_$2.json"
  "$dump" start "$1_$2.json" "$1_$2" "$1_fp32/model.safetensors" >log 2>&1 || { cat log; return 1; }
  against resize_parity.py "$1_fp32/model.safetensors" "$1_$2.json" "$1_$2/model.safetensors"
}
for size in 24 64; do
  for model in layer_scale siglip timm_clip; do check "$model resized to $size" resized $model $size; done
done

refuses() { # text, VISION
  write_model refused "$2"
  check "refused: $1" says 2 "$1" "$clip_hpc" model refused.json
}
refuses 'vit_base_patch16_siglip_224 pools by map' '"timm_model_name": "vit_base_patch16_siglip_224"'
refuses 'is of 224; another size is timm_model_kwargs' '"timm_model_name": "vit_base_patch16_224", "timm_pool": "token", "image_size": 256'
refuses 'attentional_pool = true is not supported' "$own, \"attentional_pool\": true"
refuses 'pos_embed_type = "rope" must be learnable or sin_cos_2d' "$own, \"pos_embed_type\": \"rope\""
refuses 'patch_size = 8 is not 2 to that power' "$own, \"conv_stem\": [8, 16]"
refuses 'timm_model_name = "eva_giant_patch14_224" is no tower of this build' '"timm_model_name": "eva_giant_patch14_224"'
finish
