#!/usr/bin/env bash
# embed, tokenize, export and import as a user types them; what is refused, and how it is said.
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
cd "$scratch" || exit 1
check 'training set' make_tiny "$scratch"
check 'training' says 0 'training done' "$clip_hpc" --config tiny.cfg --run-dir run

# --- embed -----------------------------------------------------------------------------------------------------------
embed=("$clip_hpc" embed --model run --data greek/test_letters --write "inputs,image,text,ids")
check 'embed' says 0 'one.h5: ' "${embed[@]}" --output one.h5
check 'embed on 2 ranks' says 0 'two.h5: ' on_ranks 2 "${embed[@]}" --output two.h5
check 'embed on 3 ranks' says 0 'three.h5: ' on_ranks 3 "${embed[@]}" --output three.h5
check '2 ranks write the same bytes' cmp one.h5 two.h5
check '3 ranks write the same bytes' cmp one.h5 three.h5
check 'embed in bf16' says 0 'bf16.h5: ' "${embed[@]}" --precision bf16 --output bf16.h5
check 'other numbers in bf16' eval '! cmp -s one.h5 bf16.h5'
printf 'no picture' >broken.png
check 'a broken picture, on ranks' says 3 'broken.png: ' on_ranks 2 "$clip_hpc" embed --model run --images broken.png --output f.h5
check 'nothing is left of it' eval '! test -e f.h5 && ! test -e f.h5.part'
check 'a folder that is not there' says 3 'cannot create nowhere/f.h5.part' on_ranks 2 "${embed[@]}" --output nowhere/f.h5

# --- swapped captions ------------------------------------------------------------------------------------------------
swap=("$clip_hpc" pack --from packed --input greek/train --corrupt 0.5)
check 'a packed set again, with swapped captions, on 2 ranks' says 0 'swapped: ' on_ranks 2 "${swap[@]}" --output swapped
check 'its tokenizer came along' cmp greek/train/tokenizer.model swapped/tokenizer.model
check 'on one rank' says 0 'alone: ' "${swap[@]}" --output swapped_alone
check 'the same bytes' cmp swapped/shard_00000.h5 swapped_alone/shard_00000.h5
check 'score tells them' says 0 'area under the ROC curve of 0.' on_ranks 2 "$clip_hpc" score --model run --data swapped --output swapped.h5
check 'twice is refused' says 2 'has swapped captions already' "$clip_hpc" pack --from packed --input swapped --corrupt 0.5 --output more

# --- tokenize --------------------------------------------------------------------------------------------------------
printf 'greek small letter alpha\n\nGREEK SMALL LETTER ALPHA\n' >lines.txt
ids() { "$clip_hpc" tokenize --tokenizer "$@" <lines.txt; }
check 'a line a line' test "$(ids run | wc -l)" = 3
check 'an empty line is the end token' test "$(ids run | sed -n 2p)" = 1
check 'capitals are lowered' test "$(ids run | sed -n 1p)" = "$(ids run | sed -n 3p)"
check 'of a packed set' cmp <(ids run) <(ids greek/train)
check 'of a file' cmp <(ids run) <(ids greek/train/tokenizer.model)
check 'a context cuts and pads' test "$(ids run --context 3 | awk '{ print NF, $NF }' | sort -u)" = '3 1'

# --- export, import --------------------------------------------------------------------------------------------------
check 'export on 2 ranks' says 0 'exported/a: tiny of step 8' on_ranks 2 "$clip_hpc" export --model run --output exported/a/
check 'export of a checkpoint' says 0 'of step 8' "$clip_hpc" export --model run/checkpoints/step_000000008 --output exported/b
check 'the same folder' diff -r exported/a exported/b
check 'export: the folder exists' says 2 'exists: remove it' "$clip_hpc" export --model run --output exported/a
check 'import on 2 ranks' says 0 'back: a, ' on_ranks 2 "$clip_hpc" import --input exported/a --output back
check 'import: the folder exists' says 2 'exists: remove it' "$clip_hpc" import --input exported/a --output back
check 'eval of it' says 0 'zero-shot' "$clip_hpc" eval --model back --data greek/test_letters
check 'the same features' says 0 'back.h5: ' "$clip_hpc" embed --model back --data greek/test_letters --output back.h5
# Without a run folder: the same numbers.
check 'eval of the folder itself' says 0 'zero-shot' "$clip_hpc" eval --model exported/a --data greek/test_letters --output direct
accuracy() { grep -oE '"acc[15]": [0-9.]+' "$1/results.json"; }
check 'the same accuracies' cmp <(accuracy back) <(accuracy direct)
check 'features beside the results' eval 'ls direct/features/*.h5'
check 'nothing in the folder' test ! -e exported/a/results.json -a ! -e exported/a/features
check 'embed of the folder itself, on 2 ranks' says 0 'direct.h5: ' on_ranks 2 "$clip_hpc" embed --model exported/a/ --data greek/test_letters --output direct.h5
check 'the same bytes as of its import' cmp back.h5 direct.h5
check 'embed of the file in its folder' says 0 'taken with the files beside it, open_clip_config.json' "$clip_hpc" embed \
  --model exported/a/open_clip_model.safetensors --data greek/test_letters --output named.h5
check 'the same bytes as of the folder' cmp back.h5 named.h5
rm named.h5
mkdir alone
cp exported/a/open_clip_model.safetensors alone/
bare=("$clip_hpc" embed --model alone/open_clip_model.safetensors --data greek/test_letters --output bare.h5)
cp tiny.json a.json # whose name is written
check 'embed of a bare file' says 0 'bare.h5: ' "${bare[@]}" --model-config a.json --tokenizer run --view resize
check 'the same bytes' cmp back.h5 bare.h5
rm bare.h5
check 'a bare file without its model' says 2 'give the model' "${bare[@]}"
check 'a bare file without its tokenizer' says 2 'brings no tokenizer' "${bare[@]}" --model-config tiny.json
check 'a run with the words of other weights' says 2 'go with another project' "$clip_hpc" embed --model run --tokenizer clip \
  --data greek/test_letters --output bare.h5
check 'eval of a folder needs a place for results' says 2 'say with --output' "$clip_hpc" eval --model exported/a --data greek/test_letters
check 'an average of it' says 2 'no averaged weights' "$clip_hpc" eval --model exported/a --weights ema --data greek/test_letters --output direct
check 'export of a folder names the import' says 2 'clip_hpc import --input exported/a --output runs/a' "$clip_hpc" export \
  --model exported/a --output again
check 'the report of it' says 0 '' "$clip_report" --runs back --output report.html
check 'training does not go on from it' says 2 'was imported' "$clip_hpc" --config tiny.cfg --run-dir back
# The model's own preprocessing is the view that everything begins with, and part of what a result is.
cp -r exported/a own
sed -i 's/"resize_mode": "squash"/"resize_mode": "shortest"/; s/"fill_color": 0/"fill_color": 9/' own/open_clip_config.json
check 'import of a model with its own preprocessing' says 0 '--view shortest-bicubic-fill9' "$clip_hpc" import --input own --output owned
check 'eval of it' says 0 'zero-shot' "$clip_hpc" eval --model owned --data greek/test_letters
check 'its result says the view' grep -q '"view": "shortest-bicubic-fill9"' owned/results.json
check 'eval of it with another view' says 0 'zero-shot' "$clip_hpc" eval --model owned --data greek/test_letters --view resize
check 'both results are there' test "$(grep -c '"task": "zeroshot_classification"' owned/results.json)" = \
  "$(($(grep -c '"view": "resize"' owned/results.json) * 2))"
check 'score of it' says 0 'scores' "$clip_hpc" score --model owned --data greek/test_letters --output owned.h5
owned=("$clip_hpc" embed --model owned --data greek/test_letters)
check 'embed of it' says 0 'default.h5: ' "${owned[@]}" --output default.h5
check 'embed of it by its view' says 0 'named.h5: ' "${owned[@]}" --view shortest-bicubic-fill9 --output named.h5
check 'the same bytes' cmp default.h5 named.h5
check 'export of it' says 0 'view shortest-bicubic-fill9' "$clip_hpc" export --model owned --output owned_out
check 'the same configuration' cmp own/open_clip_config.json owned_out/open_clip_config.json
printf '[{' >owned/results.json
check 'damaged results end an evaluation before it begins' says 3 'give another --output' "$clip_hpc" eval --model owned \
  --data greek/test_letters
weights=alone/open_clip_model.safetensors
check 'export of it' says 0 'of step 0' "$clip_hpc" export --model back --output exported/c
check 'the same weights' cmp $weights exported/c/open_clip_model.safetensors
import() { says 2 "$1" on_ranks 2 "$clip_hpc" import --output no "${@:2}"; } # text, words
check 'a file without its model' import 'with --config' --input $weights
check 'without a tokenizer' import 'give --tokenizer' --input $weights --config tiny.json
check 'a tokenizer that is not there' import 'does not exist: give a SentencePiece model' --input $weights --config tiny.json --tokenizer none.model
sed 's/"layers": 1, "width"/"layers": 2, "width"/' tiny.json >deeper.json
check 'missing tensors are named' import 'lacks tensors of the model: visual' --input exported/a --config deeper.json
sed 's/"width": 32, "heads": 2/"width": 64, "heads": 2/' tiny.json >wider.json
sed 's/"context_length": [0-9]*/"context_length": 40/' tiny.json >longer.json
check 'another context is named' import 'set text_cfg.context_length = ' --input exported/a --config longer.json
check 'another shape is named' import 'has the shape' --input exported/a --config wider.json
sed 's/"pool_type": "eos"/"pool_type": "argmax"/' tiny.json >argmax.json
check 'a model with a vocabulary of CLIP' import 'use eos or last' --input $weights --config argmax.json --tokenizer run/tokenizer.model
check 'a model that reads texts otherwise than its folder says' import 'pool_type = "eos"' --input exported/a --config argmax.json
sed 's/"heads": 2/&, "eos_id": 5/' tiny.json >eos.json
check 'a tokenizer with another end token' import 'end token is 5' --input exported/a --config eos.json
sed 's/"embed_dim"/"nonscalar_logit_scale": true, &/' tiny.json >custom.json
check 'a key that is not supported' import 'not supported' --input exported/a --config custom.json
cp -r exported/a cut
truncate -s -100 cut/open_clip_model.safetensors
check 'a file of weights with its model' says 0 'plain: tiny, ' "$clip_hpc" import --input $weights --config tiny.json \
  --tokenizer run/tokenizer.model --output plain
check 'weights that are cut short' says 3 'truncated' "$clip_hpc" import --input cut --output no
check 'nothing is left of what was refused' test ! -e no
finish
