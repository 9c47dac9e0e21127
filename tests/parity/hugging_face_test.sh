#!/usr/bin/env bash
# transformers loads what export writes and computes what embed wrote; import takes transformers' own models, and gives
# them back. Weights of either begin a training.
# shellcheck source=tests/parity/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
missing=$("$python" -c 'import importlib.util as u
print(*[n for n in ("h5py", "PIL", "ftfy", "transformers", "sentencepiece") if u.find_spec(n) is None])')
[ -z "$missing" ] || skip_all "$missing not there: jobs/setup.sh --tests installs it"
new_scratch
cd "$scratch" || exit 1
quietly() { "$@" >log 2>&1 || { cat log; return 1; }; }
peer() { quietly against hugging_face_parity.py "$@"; }
check 'training set' make_tiny "$scratch"
check 'training' quietly "$clip_hpc" --config tiny.cfg --set train.samples=3000 --run-dir run
check 'pictures and texts' against export_inputs.py pictures texts.txt
embed() { # RUN OUTPUT
  quietly "$clip_hpc" embed --model "$1" --images pictures/* --texts texts.txt --write inputs,image,text,ids --output "$2"
}

# --- out -----------------------------------------------------------------------------------------------------------------
check 'export' quietly "$clip_hpc" export --model run --view eval --to hugging_face --output out
check 'embed' quietly "$clip_hpc" embed --model run --view eval --images pictures/* --texts texts.txt \
  --write inputs,image,text,ids --output run.h5
check "transformers' features, logits and hits" peer features out run.h5
check "transformers' token ids" peer tokenizer out run.h5 texts.txt
check "transformers' pixels" peer pixels out run.h5 pictures/*
check 'import of that' says 0 'parameters, from out' "$clip_hpc" import --input out --output back
check 'export of that' quietly "$clip_hpc" export --model back --to hugging_face --output again
check 'the same model' peer equal out again

# --- in ------------------------------------------------------------------------------------------------------------------
for kind in clip clip_quick siglip; do
  check "$kind: a model of transformers" peer save $kind their_$kind
  check "$kind: import" says 0 'parameters, from' "$clip_hpc" import --input their_$kind \
    --tokenizer greek/train/tokenizer.model --output in_$kind
  check "$kind: embed" embed in_$kind in_$kind.h5
  check "$kind: transformers' features, logits and hits" peer features their_$kind in_$kind.h5
  check "$kind: export" quietly "$clip_hpc" export --model in_$kind --to hugging_face --output out_$kind
  check "$kind: the same model" peer equal their_$kind out_$kind
  check "$kind: to open_clip's layout and back" quietly "$clip_hpc" export --model in_$kind --output open_$kind
  check "$kind: import of that" quietly "$clip_hpc" import --input open_$kind --output open_in_$kind
  check "$kind: export of that" quietly "$clip_hpc" export --model open_in_$kind --to hugging_face --output open_out_$kind
  check "$kind: still the same model" peer equal their_$kind open_out_$kind
done
# SigLIP's captions lose capitals and punctuation.
check 'many texts' against clip_tokenizer_parity.py write merges.txt many.txt
"$clip_hpc" tokenize --tokenizer in_siglip --context 24 <many.txt >many_ids.txt
check "the ids of open_clip's cleaning" against clip_tokenizer_parity.py canonical greek/train/tokenizer.model many.txt many_ids.txt 24
check "open_clip's own SigLIP tokenizer" peer siglip_tokenizer open_siglip in_siglip.h5 texts.txt
check "transformers' SigLIP tokenizer" peer tokenizer out_siglip in_siglip.h5 texts.txt
check 'a set packed with it' quietly "$clip_hpc" pack --from glyphs --faces small --scripts greek --output canonical --tokenizer in_siglip
check 'says so, too' cmp in_siglip/tokenizer.model canonical/train/tokenizer.model
# open_clip itself makes a model of sizes that timm knows by name.
check 'siglip_base: a model of transformers' peer save siglip_base their_base
check 'siglip_base: import' says 0 'parameters, from' "$clip_hpc" import --input their_base --tokenizer greek/train/tokenizer.model --output in_base
check 'siglip_base: embed' embed in_base in_base.h5
check "siglip_base: transformers' features" peer features their_base in_base.h5
check "siglip_base: to open_clip's layout" quietly "$clip_hpc" export --model in_base --output open_base
check "siglip_base: open_clip's features" quietly against export_parity.py features open_base in_base.h5 pictures/*
# Configurations of before July 2023 call the end token 2 and mean the largest id: CLIP's own vocabulary.
check "an old configuration" peer save clip_old their_old
check 'its import' says 0 'parameters, from their_old' "$clip_hpc" import --input their_old --tokenizer "$CLIP_HPC_SOURCE_DIR/data/tokenizers/clip_bpe.txt" --output in_old
check 'its embed' embed in_old in_old.h5
check "its features, logits and hits" peer features their_old in_old.h5
check 'its export' quietly "$clip_hpc" export --model in_old --to hugging_face --output out_old
check "CLIP's tokenizer in transformers' files" peer tokenizer out_old in_old.h5 texts.txt
check 'and back, with its own tokenizer' says 0 'parameters, from out_old' "$clip_hpc" import --input out_old --output old_again
# Folders of the hub have it as merges.txt in open_clip's layout, too.
check "to open_clip's layout" quietly "$clip_hpc" export --model in_old --output open_old
mv open_old/tokenizer.model open_old/merges.txt
check 'import of that' says 0 'parameters, from open_old' "$clip_hpc" import --input open_old --output merges_again
check 'with the same tokenizer' cmp in_old/tokenizer.model merges_again/tokenizer.model

# OpenAI's own preprocessor_config.json gives sizes as numbers; older ones have none.
as_openai_wrote_it() {
  sed -z -E 's/"(size|crop_size)": *\{[^}]*\}/"\1": 32/g' out_clip_quick/preprocessor_config.json >their_clip_quick/preprocessor_config.json
  [[ $(grep -cE '"(size|crop_size)": 32' their_clip_quick/preprocessor_config.json) == 2 ]]
}
check 'a folder as OpenAI wrote it' as_openai_wrote_it
check 'its import' says 0 'parameters, from their_clip_quick' "$clip_hpc" import --input their_clip_quick \
  --tokenizer greek/train/tokenizer.model --output in_plain
# --- what has no place there ---------------------------------------------------------------------------------------------
sed 's/"head_width": 16/&, "pool_type": "avg"/' tiny.json >mean.json
check 'a model that transformers has not' quietly "$clip_hpc" --config tiny.cfg --set model.config=mean.json --run-dir mean
check 'is refused' says 2 'takes the mean of the patches' "$clip_hpc" export --model mean --to hugging_face --output mean_out
sed -i 's/"model_type": "clip",/"model_type": "blip",/' their_clip/config.json
check 'another kind of model is refused' says 2 'model_type = "blip" is not supported' "$clip_hpc" import --input their_clip \
  --tokenizer greek/train/tokenizer.model --output blip
finish
