#!/usr/bin/env bash
# Every kind of cell of configs/study/paper.cfg (tower, strategy, augmentation, loss, optimizer) trains two steps in nano
# size on 2 ranks, and from the checkpoint of the first of them comes to the same weights. And every file of configs/paper
# is one of those kinds.
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
cd "$scratch" || exit 1
root=$CLIP_HPC_SOURCE_DIR
check 'pack' pack_greek greek >pack.log
ln -s "$root/configs" configs
check 'plan: 301 cells, and all of them can be trained' says 0 '301 cells to train' "$CLIP_HPC_BINARY_DIR/bin/clip_study" plan \
  --grid configs/study/paper.cfg --study study

# The same tower with few and small layers, and a text tower for the tokenizer of the letters.
python3 - "$root/configs/models" <<'PYTHON'
import json, pathlib, sys
models = pathlib.Path(sys.argv[1])
nano = {"ResNet": "resnet", "Swin": "swin", "ConvNeXt": "convnext", "Mixer": "mixer"}
pathlib.Path("nano").mkdir()
for file in models.glob("*-paper.json"):
    model = json.loads(file.read_text())
    model = model.get("model_cfg", model)
    vision, text = model["vision_cfg"], model["text_cfg"]
    family = file.name.split("-")[0]
    if family in nano:
        small = json.loads((models / f"nano_{nano[family]}.json").read_text())["model_cfg"]["vision_cfg"]
        vision = {**small, **({"norm": vision["norm"]} if "norm" in vision else {})}
    else:
        head = vision["width"] // vision.get("head_width", 64)
        vision.update(image_size=32, patch_size=vision["patch_size"] // 2, layers=1, width=8 * head, head_width=8)
    text.update(vocab_size=300, width=32, heads=2, layers=1)
    pathlib.Path("nano", file.name).write_text(json.dumps({**model, "embed_dim": 16, "vision_cfg": vision, "text_cfg": text}))
PYTHON
check 'nine towers' test "$(find nano -name '*.json' | wc -l)" = 9

value() { # KEY FILE: section.key
  awk -F ' *= *' -v section="[${1%%.*}]" -v key="${1#*.}" '/^\[/ { inside = $0 == section } inside && $1 == key { print $2 }' "$2" | tail -n1
}
kind_of() { # FILE; clip_aug is another name for clip with an augmentation
  local key word
  for key in model.config strategy.name strategy.augmentation strategy.loss optim.name; do
    word=$(basename "$(value "$key" "$1")" .json)
    printf '%s ' "${word/#clip_aug/clip}"
  done
}
small=(--set data.train=greek/train --set data.subset= --set data.workers=1 --set train.samples=32
  --set train.global_batch=16 --set train.threads=1 --set checkpoint.every_steps=1 --set strategy.ssl_hidden=32 --set strategy.ssl_width=16 --set eval.data=)
train_cell() { # CONFIG RUN_DIR
  on_ranks 2 "$clip_hpc" --config "$1" --run-dir "$2" "${small[@]}" --set model.config="nano/$(basename "$(value model.config "$1")")"
}
goes_on() { # CONFIG RUN
  train_cell "$1" "$2" >"$2.log" 2>&1 || { tail -n 5 "$2.log"; return 1; }
  mkdir -p "$2.again/checkpoints" && cp -r "$2/checkpoints/step_000000001" "$2.again/checkpoints/" &&
    cp "$2"/*.json "$2"/*.cfg "$2"/tokenizer* "$2.again/" 2>/dev/null
  train_cell "$1" "$2.again" >"$2.again.log" 2>&1 || { tail -n 5 "$2.again.log"; return 1; }
  grep -q 'resumed from step 1 ' "$2.again.log" || { echo 'it did not resume'; return 1; }
  cmp "$2/checkpoints/step_000000002/model.safetensors" "$2.again/checkpoints/step_000000002/model.safetensors"
}
declare -A kinds=()
for cell in study/cells/*/config.cfg; do
  kind=$(kind_of "$cell")
  [[ ${kinds[$kind]-} ]] || kinds[$kind]=$cell
done
check 'there are 14 kinds' test ${#kinds[@]} = 14
number=0
for kind in "${!kinds[@]}"; do
  number=$((number + 1))
  check "$kind" goes_on "${kinds[$kind]}" "run_$number"
done

# configs/paper: a family is its file behind the base.
known() { # FAMILY
  cat configs/paper/base.cfg "configs/paper/$1.cfg" >"$1.cfg"
  [[ ${kinds[$(kind_of "$1.cfg")]-} ]] || { kind_of "$1.cfg"; return 1; }
  says 3 data/packed/train "$clip_hpc" --config configs/paper/base.cfg --config "configs/paper/$1.cfg" --set data.subset= --run-dir "none_$1"
}
for file in "$root"/configs/paper/*.cfg; do
  family=$(basename "$file" .cfg)
  [[ $family == base ]] && continue
  check "configs/paper/$family.cfg is a cell of the study" known "$family"
  check "jobs/paper/$family.slurm runs it" grep -qx "train_job $family configs/paper/base.cfg configs/paper/$family.cfg" "$root/jobs/paper/$family.slurm"
done
finish
