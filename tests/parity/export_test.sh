#!/usr/bin/env bash
# open_clip loads what export writes and computes what embed wrote; import takes it back. The example of docs/embed.md.
# shellcheck source=tests/parity/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
missing=$("$python" -c 'import importlib.util as u
print(*[n for n in ("h5py", "PIL", "ftfy") if u.find_spec(n) is None])')
[ -z "$missing" ] || skip_all "$missing not there: jobs/setup.sh --tests installs it"
tokenizers="needs transformers and sentencepiece: jobs/setup.sh --tests installs them"
"$python" -c 'import transformers, sentencepiece' 2>/dev/null && tokenizers=""
new_scratch
cd "$scratch" || exit 1
quietly() { "$@" >log 2>&1 || { cat log; return 1; }; }
if_tokenizers() { # name, words of check
  if [ -z "$tokenizers" ]; then check "$@"; else skip "$1" "$tokenizers"; fi
}

check 'training set' make_tiny "$scratch"
check 'training' quietly "$clip_hpc" --config tiny.cfg --set train.samples=30000 --set optim.lr=2e-3 --run-dir run
# Another kind of every choice that model_cfg carries.
sed -i 's/"pool_type": "eos"/"pool_type": "last", "no_causal_mask": true/; s/"head_width": 16/&, "pool_type": "avg"/
s/"embed_dim": 32/&, "quick_gelu": true/' tiny.json
check 'training of the other kinds' quietly "$clip_hpc" --config tiny.cfg --run-dir other

check 'pictures and texts' against export_inputs.py pictures texts.txt
for run in run other; do
  for view in resize eval eval_longest shortest-bilinear longest-bilinear-fill127; do
    check "$run, $view: export" quietly "$clip_hpc" export --model $run --view $view --output "out_${run}_$view"
    check "$run, $view: embed" quietly on_ranks 2 "$clip_hpc" embed --model $run --view $view --images pictures/* \
      --texts texts.txt --write inputs,image,text,ids --output "${run}_$view.h5"
    check "$run, $view: open_clip's features and pixels" against export_parity.py features "out_${run}_$view" \
      "${run}_$view.h5" pictures/*
  done
  if_tokenizers "$run: open_clip's token ids" against export_parity.py tokenizer out_${run}_resize ${run}_resize.h5 texts.txt
done
# The vocabularies of the paper's group are of the other kind.
if_tokenizers 'token ids of a unigram model' against export_parity.py unigram "$clip_hpc" run texts.txt

# --- and back --------------------------------------------------------------------------------------------------------
weights() { cmp "$1/open_clip_model.safetensors" "$2/open_clip_model.safetensors"; }
check 'import of a folder' says 0 'parameters, from out_run_resize' "$clip_hpc" import --input out_run_resize --output back
check 'export of that' quietly "$clip_hpc" export --model back --output again
check 'the same weights' weights out_run_resize again
check 'the same tokenizer' cmp out_run_resize/tokenizer.json again/tokenizer.json
check 'the same configuration' cmp out_run_resize/open_clip_config.json again/open_clip_config.json
# Its own preprocessing is what everything begins with, and what is exported again.
own=out_run_longest-bilinear-fill127
check 'import of a model with another preprocessing' says 0 '--view longest-bilinear-fill127' "$clip_hpc" import \
  --input $own --output own
check 'embed of it, without a view' quietly "$clip_hpc" embed --model own --images pictures/* --texts texts.txt \
  --write inputs,image,text,ids --output own.h5
check "open_clip's features and pixels of it" against export_parity.py features $own own.h5 pictures/*
check 'export of it, without a view' quietly "$clip_hpc" export --model own --output own_out
check 'the same configuration of it' cmp $own/open_clip_config.json own_out/open_clip_config.json
check 'a model that open_clip saves' against export_parity.py save out_run_resize saved.safetensors saved.json
check 'import of that, on 2 ranks' quietly on_ranks 2 "$clip_hpc" import --input saved.safetensors --config saved.json \
  --tokenizer greek/train/tokenizer.model --output taken
check 'export of that' quietly "$clip_hpc" export --model taken --output taken_out
check 'the same weights' weights out_run_resize taken_out
check 'an imported run is evaluated' says 0 'zero-shot' "$clip_hpc" eval --model back --data greek/test_letters
accuracy() { grep -oE '"acc[15]": [0-9.]+' "$1/results.json"; }
check 'to the same accuracies' cmp <(accuracy run) <(accuracy back)

# --- every tower, trained a little -------------------------------------------------------------------------------------
sed -i 's/, "quick_gelu": true//' tiny.json
tower() { # NAME VISION_CFG: trained on 2 ranks, exported, the same features there; imported, exported again
  cat >"tower_$1.json" <<MODEL
{ "embed_dim": 32, "vision_cfg": { $2 },
  "text_cfg": { "context_length": 16, "vocab_size": 300, "width": 32, "heads": 2, "layers": 1, "pool_type": "eos" } }
MODEL
  check "$1: training" quietly on_ranks 2 "$clip_hpc" --config tiny.cfg --set model.config="tower_$1.json" \
    --set train.global_batch=8 --set train.samples=16 --set optim.warmup=0 --set eval.data= --run-dir "run_$1"
  check "$1: export" quietly "$clip_hpc" export --model "run_$1" --view resize --output "out_$1"
  check "$1: embed" quietly "$clip_hpc" embed --model "run_$1" --view resize --images pictures/* --texts texts.txt \
    --write inputs,image,text,ids --output "$1.h5"
  check "$1: open_clip's features and pixels" against export_parity.py features "out_$1" "$1.h5" pictures/*
  check "$1: import" quietly "$clip_hpc" import --input "out_$1" --output "back_$1"
  check "$1: export of that" quietly "$clip_hpc" export --model "back_$1" --output "again_$1"
  check "$1: the same weights" weights "out_$1" "again_$1"
  rm -rf "run_$1" "back_$1" "again_$1"
}
timm() { # NAME IMAGE_SIZE: of the sizes that open_clip can name
  printf '"timm_model_name": "%s", "image_size": %d, "timm_drop_path": 0' "$1" "$2"
}
tower modified '"image_size": 32, "width": 16, "layers": [1, 1, 1, 1], "head_width": 32'
tower resnet "$(timm resnet26 64)"
tower convnext "$(timm convnext_atto 64)"
tower mixer "$(timm mixer_s32_224 224)"
tower swin "$(timm swin_tiny_patch4_window7_224 224)"
sed -i 's/"timm_drop_path": 0/&, "norm": "group"/' tower_resnet.json
check 'a tower that open_clip lacks: training' quietly "$clip_hpc" --config tiny.cfg --set model.config=tower_resnet.json \
  --set train.global_batch=8 --set train.samples=8 --set optim.warmup=0 --set eval.data= --run-dir run_group
check 'and export says so' says 0 'open_clip will not load it' "$clip_hpc" export --model run_group --output out_group

# --- a tokenizer of another program, to which capitals are other letters ------------------------------------------------
cased() {
  printf 'A Red House\na red house\nBERLIN and berlin\nRed red RED\n' >cased.txt
  "$python" -c 'import sentencepiece
sentencepiece.SentencePieceTrainer.train(input="cased.txt", model_prefix="cased", vocab_size=60, hard_vocab_limit=False,
    eos_id=1, bos_id=-1, unk_id=0, normalization_rule_name="identity", minloglevel=2)'
}
tells() { # SPELLINGS WORDS...
  [[ $(printf 'Red BERLIN\nred berlin\n' | "$clip_hpc" tokenize --tokenizer "${@:2}" | sort -u | wc -l) == "$1" ]]
}
packed() { # SPELLINGS FOLDER WORDS...: that the tokenizer of the set tells
  quietly "$clip_hpc" pack --from glyphs --faces small --scripts greek --tokenizer cased.model --output "${@:2}" && tells "$1" "$2/train"
}
if_tokenizers 'a tokenizer that tells capitals' cased
if_tokenizers 'tokenize tells them' tells 2 cased.model
if_tokenizers 'and lowers them where asked' tells 1 cased.model --lower-case
if_tokenizers 'a set that is packed with it tells them' packed 2 cased_set
if_tokenizers 'and lowers them where asked to' packed 1 lowered_set --lower-case

# --- the example -----------------------------------------------------------------------------------------------------
# shellcheck disable=SC2016
sed -n '/^```python$/,/^```$/ { /^```/d; p }' "$CLIP_HPC_SOURCE_DIR/docs/embed.md" >example.py
mkdir -p exported
check 'example: export' quietly "$clip_hpc" export --model run --output exported/letters
check 'example: embed' quietly "$clip_hpc" embed --model run --data greek/train --write inputs,image,text,ids \
  --output features.h5
run_example() { "$python" example.py >example.txt; }
check 'example: runs' run_example
# shellcheck disable=SC2016
check 'example: equal features' awk '/largest difference/ { n++; if (!($NF < 1e-5)) bad = 1 } END { exit bad || n != 2 }' example.txt
check 'retrieval' quietly "$clip_hpc" eval --model run --data greek/train --task retrieval --output retrieval
hits() { grep -oE '"image_retrieval_recall@1": [0-9.]+' retrieval/results.json; }
# shellcheck disable=SC2016
check 'example: as many captions find their image as eval says' awk -v recall="$(hits | grep -oE '[0-9.]+$')" \
  '/nearest/ { n++; d = $NF - recall } END { exit n != 1 || recall < 0.02 || d > 1e-3 || d < -1e-3 }' example.txt
finish
