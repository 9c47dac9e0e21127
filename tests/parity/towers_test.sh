#!/usr/bin/env bash
# Mixer, Swin and the ResNets: features, loss and every gradient equal those of timm's trunks through open_clip, in
# training and in evaluation mode; sizes, keys, what is refused.
# shellcheck source=tests/parity/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
new_scratch
cd "$scratch" || exit 1
quietly() { "$@" >log 2>&1 || { cat log; return 1; }; }
write_model() { # NAME VISION [EMBED_DIM]
  cat >"$1.json" <<MODEL
{
  "embed_dim": ${3:-24},
  "vision_cfg": { $2 },
  "text_cfg": { "context_length": 12, "vocab_size": 300, "width": 32, "heads": 2, "layers": 2, "pool_type": "eos" }
}
MODEL
}
names=()
case_of() { # MODEL PRECISION [WORDS...]
  local name=$1_$2${3:+_${3//[.=]/_}}
  names+=("$name")
  "$dump" model "$1.json" "$name" "dump.precision=${2%_tight}" "${@:3}" && echo "$name $1.json $name $2" >>cases
}
mixer='"timm_model_name": "mixer_b32_224", "image_size": 64'
write_model mixer "$mixer, \"timm_model_kwargs\": {\"embed_dim\": 48, \"num_blocks\": 3, \"patch_size\": 16, \"img_size\": 64}"
write_model mixer_mlp "$mixer, \"timm_proj\": \"mlp\", \"timm_model_kwargs\": {\"embed_dim\": 32, \"num_blocks\": 2, \"patch_size\": 8, \"img_size\": 64}"
swin='"timm_model_name": "swin_tiny_patch4_window7_224", "timm_drop_path": 0'
# Windows that fit the grid, that must be filled up, that are the whole grid, and of an even side.
write_model swin "$swin, \"image_size\": 56, \"timm_model_kwargs\": {\"embed_dim\": 24, \"depths\": [2, 2], \"num_heads\": [2, 4], \"window_size\": 7, \"img_size\": 56}"
write_model swin_padded "$swin, \"image_size\": 64, \"timm_model_kwargs\": {\"embed_dim\": 24, \"depths\": [2, 2, 2], \"num_heads\": [2, 4, 8], \"window_size\": 7, \"img_size\": 64}"
write_model swin_even "$swin, \"image_size\": 64, \"timm_model_kwargs\": {\"embed_dim\": 24, \"depths\": [2, 2], \"num_heads\": [2, 4], \"window_size\": 4, \"img_size\": 64}"
write_model resnet '"timm_model_name": "resnet26", "image_size": 64'
write_model resnet_small '"timm_model_name": "resnet50", "image_size": 64, "timm_proj": "mlp", "timm_model_kwargs": {"layers": [2, 1, 1, 1], "channels": [16, 16, 32, 64]}'
write_model clip_resnet '"layers": [2, 1, 1, 1], "width": 16, "head_width": 32, "image_size": 96, "patch_size": null'
write_model resnet_group '"timm_model_name": "resnet50", "image_size": 48, "norm": "group", "timm_model_kwargs": {"layers": [2, 1, 1, 1], "channels": [32, 64, 64, 64]}'
write_model resnet_basic '"timm_model_name": "resnet18", "image_size": 32, "timm_model_kwargs": {"layers": [2, 1, 1, 1], "channels": [16, 16, 32, 64], "max_pool": false}'
write_model basic_group '"timm_model_name": "resnet34", "image_size": 48, "norm": "group", "timm_model_kwargs": {"layers": [1, 2, 1, 1], "channels": [64, 32, 64, 64]}'
for model in mixer mixer_mlp swin swin_padded swin_even resnet resnet_small resnet_group resnet_basic basic_group clip_resnet; do
  case_of $model fp64
  case_of $model fp32_tight
done
write_model vit '"image_size": 32, "layers": 3, "width": 48, "patch_size": 8, "head_width": 16'
write_model timm_vit '"timm_model_name": "vit_base_patch16_224", "timm_pool": "token", "image_size": 32, "timm_model_kwargs": {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 3, "num_heads": 3}'
write_model convnext '"timm_model_name": "convnext_atto", "image_size": 32'
for model in resnet resnet_basic resnet_group clip_resnet mixer swin vit timm_vit convnext; do
  case_of $model fp64 dump.training=false
done
# A second term of the loss, open_clip's DistillClipLoss.
case_of vit fp64 dump.distill=true
case_of resnet fp64 dump.distill=true
# Stochastic depth, with the same draw on both sides.
deep='"timm_drop_path": 0.4'
write_model mixer_deep "$mixer, $deep, \"timm_model_kwargs\": {\"embed_dim\": 48, \"num_blocks\": 3, \"patch_size\": 16, \"img_size\": 64}"
write_model swin_deep "${swin/path\": 0/path\": 0.4}, \"image_size\": 56, \"timm_model_kwargs\": {\"embed_dim\": 24, \"depths\": [2, 2], \"num_heads\": [2, 4], \"window_size\": 7, \"img_size\": 56}"
write_model resnet_deep "\"timm_model_name\": \"resnet26\", \"image_size\": 32, $deep"
write_model convnext_deep "\"timm_model_name\": \"convnext_atto\", \"image_size\": 32, $deep"
for model in mixer swin resnet convnext; do case_of ${model}_deep fp64 dump.depth=true; done
case_of mixer bf16
case_of swin bf16
# In their real size.
write_model real_mixer '"timm_model_name": "mixer_b32_224"'
write_model real_swin "$swin"
write_model real_resnet '"timm_model_name": "resnet50"'
write_model real_convnext '"timm_model_name": "convnext_tiny", "timm_drop_path": 0'
write_model real_vit '"image_size": 224, "layers": 12, "width": 384, "patch_size": 16'
for model in real_mixer real_swin real_resnet real_convnext real_vit; do case_of $model fp64; done
# The models that come along for embedded sets.
for model in convnext mixer resnet swin vit_conv; do
  cp "$CLIP_HPC_SOURCE_DIR/configs/models/nano_$model.json" .
  case_of nano_$model fp64
done
# Twenty steps of training.
: >trained
for model in vit convnext mixer swin resnet_small resnet_group clip_resnet; do
  names+=("${model}_trained")
  "$dump" train $model.json "${model}_trained" 20 && echo "${model}_trained $model.json ${model}_trained" >>trained
done
against model_parity.py <cases >answers 2>&1 || cat answers
against training_parity.py <trained >>answers 2>&1 || cat answers
grep -vE '^(equal|[0-9]+ comparisons, 0 failed)' answers
for name in "${names[@]}"; do check "$name" grep -qx "equal $name" answers; done

# --- sizes: parameters of the trunk and the projection -----------------------------------------------------------------
sized() { # NAME TRUNK_PARAMETERS WIDTH EMBED VISION
  write_model "$1" "$5" "$4"
  check "$1: $2 parameters" grep -q "\"image\":$(($2 + $3 * $4))," <<<"$("$clip_hpc" model --json "$1.json")"
}
sized resnet50 23508032 2048 1024 '"timm_model_name": "resnet50"'
sized resnet18 11176512 512 1024 '"timm_model_name": "resnet18"'
sized resnet34 21284672 512 1024 '"timm_model_name": "resnet34"'
sized swin_tiny 27519354 768 640 '"timm_model_name": "swin_tiny_patch4_window7_224"'
sized mixer_b32 59524428 768 512 '"timm_model_name": "mixer_b32_224"'
sized mixer_b16 59111472 768 512 '"timm_model_name": "mixer_b16_224"'
clip_sized() { # NAME IMAGE_PARAMETERS EMBED VISION
  write_model "$1" "$4" "$3"
  check "$1: $2 parameters" grep -q "\"image\":$2," <<<"$("$clip_hpc" model --json "$1.json")"
}
clip_sized RN50 38316896 1024 '"layers": [3, 4, 6, 3], "width": 64, "image_size": 224'
clip_sized RN101 56259936 512 '"layers": [3, 4, 23, 3], "width": 64, "image_size": 224'
clip_sized RN50x4 87137080 640 '"layers": [4, 6, 10, 6], "width": 80, "image_size": 288'
clip_sized RN50x16 167328912 768 '"layers": [6, 8, 18, 8], "width": 96, "image_size": 384'
clip_sized RN50x64 420380352 1024 '"layers": [3, 15, 36, 10], "width": 128, "image_size": 448'

# --- what is not supported is named ------------------------------------------------------------------------------------
refuses() { # text, VISION
  write_model refused "$2"
  check "refused: $1" says 2 "$1" "$clip_hpc" model refused.json
}
refuses 'mixer_b32_224 is of 224' '"timm_model_name": "mixer_b32_224", "image_size": 256'
refuses 'swin_tiny_patch4_window7_224 is of 224' '"timm_model_name": "swin_tiny_patch4_window7_224", "image_size": 256'
refuses 'timm_model_name = resnet14' '"timm_model_name": "resnet14"'
refuses 'norm = "layer"' '"timm_model_name": "resnet50", "norm": "layer"'
refuses 'image_size = 100 must be a multiple of 32' '"layers": [3, 4, 6, 3], "width": 64, "image_size": 100'
finish
