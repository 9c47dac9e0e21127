#!/usr/bin/env bash
# CLIP's own tokenizer: the ids of open_clip's SimpleTokenizer for thousands of texts; a model that is trained with it,
# exported, loaded by open_clip with its own tokenizer, and imported.
# shellcheck source=tests/parity/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
new_scratch
cd "$scratch" || exit 1
quietly() { "$@" >log 2>&1 || { cat log; return 1; }; }

check 'merges and texts' against clip_tokenizer_parity.py write merges.txt texts.txt
for context in 77 12; do
  "$clip_hpc" tokenize --tokenizer merges.txt --context $context <texts.txt >ids_$context.txt
  check "ids of context $context" against clip_tokenizer_parity.py compare texts.txt ids_$context.txt $context
done

# --- the merges by name, as jobs/setup.sh writes them ----------------------------------------------------------------
mkdir -p data/tokenizers
cp merges.txt data/tokenizers/clip_bpe.txt
check 'by name' cmp <("$clip_hpc" tokenize --tokenizer clip --context 12 <texts.txt) ids_12.txt
gzip -c merges.txt >merges.gz
check 'a file that is still packed' says 2 'gzip -d' "$clip_hpc" tokenize --tokenizer merges.gz

# --- a model with it -------------------------------------------------------------------------------------------------
cat >tiny.json <<'MODEL'
{
  "embed_dim": 32,
  "vision_cfg": { "image_size": 32, "layers": 1, "width": 32, "patch_size": 8, "head_width": 16 },
  "text_cfg": { "context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1 }
}
MODEL
check 'pack' quietly "$clip_hpc" pack --from glyphs --faces small --scripts greek --output greek --tokenizer clip
check 'the set has the merges' cmp merges.txt greek/train/tokenizer.model
check 'train, captions packed' says 0 'training done: 60 steps' on_ranks 2 "$clip_hpc" --set data.train=greek/train \
  --set model.config=tiny.json --set train.samples=3840 --set train.global_batch=64 --set optim.lr=2e-3 \
  --set eval.data=greek/test_letters --run-dir run
check 'the same losses with padding' says 0 'training done: 60 steps' "$clip_hpc" --config run/config.cfg \
  --set train.pack_captions=false --set eval.data=greek/test_letters --run-dir padded
losses() { grep -oE '"loss":[0-9.]{5}' "$1/metrics.jsonl"; }
check 'indeed' cmp <(losses run) <(losses padded)
check 'export' quietly "$clip_hpc" export --model run --output out
check 'embed' quietly "$clip_hpc" embed --model run --texts texts.txt --write text,ids --output texts.h5
check "open_clip's own tokenizer and features" against clip_tokenizer_parity.py model out texts.h5 texts.txt
check 'import' quietly "$clip_hpc" import --input out --output back
weights() { cmp "$1/open_clip_model.safetensors" "$2/open_clip_model.safetensors"; }
check 'export again' quietly "$clip_hpc" export --model back --output again
check 'the same weights' weights out again
# As open_clip's own folders are: without our tokenizer.model.
rm out/tokenizer.model
check 'a folder of open_clip' says 2 "clip for CLIP's own" "$clip_hpc" import --input out --output taken
check 'with --tokenizer clip' quietly "$clip_hpc" import --input out --tokenizer clip --output taken
check 'is evaluated' says 0 'zero-shot' "$clip_hpc" eval --model taken --data greek/test_letters
accuracy() { grep -oE '"acc[15]": [0-9.]+' "$1/results.json"; }
check 'to the same accuracies' cmp <(accuracy run) <(accuracy taken)
finish
