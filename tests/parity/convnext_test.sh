#!/usr/bin/env bash
# ConvNeXt: features, loss and every gradient equal timm's through open_clip; sizes, keys, weights in and out.
# shellcheck source=tests/parity/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
new_scratch
cd "$scratch" || exit 1
quietly() { "$@" >log 2>&1 || { cat log; return 1; }; }

# NAME VISION [EMBED_DIM]: a small model around a tower of timm; VISION is what goes into vision_cfg.
write_model() {
  cat >"$1.json" <<MODEL
{
  "embed_dim": ${3:-24},
  "vision_cfg": { "image_size": 64, $2 },
  "text_cfg": { "context_length": 12, "vocab_size": 300, "width": 32, "heads": 2, "layers": 2, "pool_type": "eos" }
}
MODEL
}
case_of() { # NAME MODEL PRECISION: one case for the comparison below
  "$dump" model "$2.json" "$1" "dump.precision=${3%_tight}" && echo "$1 $2.json $1 $3" >>cases
}
write_model tiny '"timm_model_name": "convnext_tiny", "timm_pool": "", "timm_drop_path": 0'
write_model atto '"timm_model_name": "convnext_atto", "timm_proj": "mlp", "timm_drop_path": null'
write_model biased '"timm_model_name": "convnext_atto", "timm_proj": "mlp", "timm_proj_bias": true'
write_model bare '"timm_model_name": "convnext_atto", "timm_proj": "none"' 320
write_model halved '"timm_model_name": "convnext_tiny", "timm_drop_path": 0, "timm_model_kwargs": {"depths": [1, 2, 1, 1], "dims": [24, 24, 40, 48], "patch_size": 2}'
case_of tiny_fp64 tiny fp64
case_of halved_fp64 halved fp64
case_of tiny_fp32 tiny fp32_tight
for model in atto biased bare; do case_of ${model}_fp64 $model fp64; done
case_of atto_fp32 atto fp32_tight
case_of atto_bf16 atto bf16
against model_parity.py <cases >answers 2>&1 || cat answers
grep -vE '^(equal|[0-9]+ comparisons, 0 failed)' answers
for name in tiny_fp64 halved_fp64 tiny_fp32 atto_fp64 biased_fp64 bare_fp64 atto_fp32 atto_bf16; do
  check "$name" grep -qx "equal $name" answers
done

# --- sizes -----------------------------------------------------------------------------------------------------------
write_model full '"timm_model_name": "convnext_tiny", "timm_pool": ""' 1024
sed -i 's/"image_size": 64/"image_size": 224/' full.json
counts=$("$clip_hpc" model --json full.json)
check 'parameters of the trunk and the projection' grep -q "\"image\":$((27820128 + 768 * 1024))," <<<"$counts"
check '4.45 G multiply-adds, none by patch' grep -qE '"image":\{"fixed":44[0-9]{8},"per_token":0,"per_token_squared":0\}' <<<"$counts"
for size in base large xxlarge; do
  write_model $size "\"timm_model_name\": \"convnext_$size\", \"timm_pool\": \"\", \"timm_drop_path\": 0.1"
  check "convnext_$size is known" quietly "$clip_hpc" model $size.json
done

# --- what is not supported is named ----------------------------------------------------------------------------------
refuses() { # text, VISION
  write_model refused "$2"
  check "refused: $1" says 2 "$1" "$clip_hpc" model refused.json
}
refuses 'timm_model_name = convnext_huge' '"timm_model_name": "convnext_huge"'
refuses 'timm_pool = rot_attn' '"timm_model_name": "convnext_tiny", "timm_pool": "rot_attn"'
refuses 'timm_proj = ""' '"timm_model_name": "convnext_tiny", "timm_proj": ""'
refuses 'timm_drop must be 0' '"timm_model_name": "convnext_tiny", "timm_drop": 0.5'
refuses 'embed_dim = 768' '"timm_model_name": "convnext_tiny", "timm_proj": "none"'
refuses 'key "window"' '"timm_model_name": "convnext_tiny", "window": 4'
refuses 'timm_model_name = "regnety_032" is no tower of this build' '"timm_model_name": "regnety_032"'

# --- weights in and out, training ------------------------------------------------------------------------------------
check 'training set' make_tiny "$scratch"
write_model dropped '"timm_model_name": "convnext_atto", "timm_drop_path": 0.1'
train() { "$clip_hpc" --config tiny.cfg --set model.config="$1" --set train.samples=256 --set eval.data= "${@:2}"; }
check 'stochastic depth is told' says 0 'stochastic depth up to 0.1' train dropped.json --run-dir dropped
check 'FLIP is refused' says 2 'this image tower needs all of them' train atto.json --set strategy.name=flip --run-dir flip
check 'training' quietly train atto.json --run-dir run
check 'export' quietly "$clip_hpc" export --model run --output out
check 'import' quietly "$clip_hpc" import --input out --output back
check 'export of that' quietly "$clip_hpc" export --model back --output again
check 'the same weights' cmp out/open_clip_model.safetensors again/open_clip_model.safetensors
check 'the same configuration' cmp out/open_clip_config.json again/open_clip_config.json
open_clip_loads() {
  "$python" - <<'PYTHON'
import open_clip
model = open_clip.create_model("local-dir:out")
assert sum(p.numel() for p in model.visual.trunk.parameters()) > 3e6
PYTHON
}
check 'open_clip loads it' quietly open_clip_loads
finish
