#!/usr/bin/env bash
# Initial weights follow the distributions of open_clip and, for its trunks, of timm, parameter by parameter.
# shellcheck source=tests/parity/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
cd "$scratch" || exit 1
text='"context_length": 32, "vocab_size": 2000, "width": 128, "heads": 4, "layers": 3'
write_model() { # NAME VISION [TEXT] [TOP]
  cat >"$1.json" <<MODEL
{ "embed_dim": 96${4:+, $4}, "vision_cfg": { $2 }, "text_cfg": { $text${3:+, $3} } }
MODEL
}
names=()
case_of() { # NAME SEED
  names+=("$1_$2")
  "$dump" init "$1.json" "$1_$2" open_clip "$2" && echo "$1_$2 $1.json $1_$2" >>cases
}
timm() { # NAME IMAGE_SIZE KWARGS MORE
  printf '"timm_model_name": "%s", "image_size": %d, "timm_model_kwargs": {%s}, %s' "$1" "$2" "$3" "${4:-\"timm_proj\": \"linear\"}"
}
own='"image_size": 64, "layers": 2, "width": 192, "patch_size": 16, "head_width": 64'
write_model vit "$own"
write_model layer_scale "$own, \"ls_init_value\": 0.1, \"pool_type\": \"avg\"" \
  '"pool_type": "last", "no_causal_mask": true, "proj_bias": true' '"custom_text": true, "init_logit_bias": -10'
write_model clip_resnet '"layers": [2, 1, 1, 1], "width": 32, "head_width": 32, "image_size": 64'
write_model resnet "$(timm resnet26 64 '')"
write_model resnet_basic "$(timm resnet18 64 '' '"timm_proj": "mlp"')"
write_model convnext "$(timm convnext_atto 64 '')"
write_model swin "$(timm swin_tiny_patch4_window7_224 56 '"embed_dim": 48, "depths": [2, 2], "num_heads": [2, 4], "window_size": 7, "img_size": 56')"
write_model mixer "$(timm mixer_b32_224 64 '"embed_dim": 96, "num_blocks": 2, "patch_size": 16, "img_size": 64')"
small='"img_size": 64, "patch_size": 16, "embed_dim": 96, "depth": 2, "num_heads": 3'
write_model timm_vit "$(timm vit_base_patch16_224 64 "$small" '"timm_pool": "token"')"
write_model siglip "$(timm vit_base_patch16_siglip_224 64 "$small" '"timm_pool": "map", "timm_proj": "none"')"
for model in vit layer_scale clip_resnet resnet resnet_basic convnext swin mixer timm_vit siglip; do
  case_of $model 0
done
case_of vit 1 # another seed
against init_parity.py <cases >answers 2>&1 || cat answers
grep -vE '^(equal|[0-9]+ comparisons, 0 failed)' answers
for name in "${names[@]}"; do check "$name" grep -qx "equal $name" answers; done
finish
