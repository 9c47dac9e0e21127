#!/usr/bin/env bash
# Accuracy and recall are CLIP_benchmark's, on the same exported model and the same data, to the last image; its own
# folders can be packed, ours it evaluates, and its `build` takes our results. Its program runs as it is, with its own
# tokenizer and pictures; only where captions repeat, torch.topk is told which of equal scores comes first.
# shellcheck source=tests/parity/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
missing=$("$python" -c 'import importlib.util as u
print(*[n for n in ("clip_benchmark", "webdataset", "requests", "sklearn", "PIL", "transformers", "sentencepiece") if u.find_spec(n) is None])')
[ -z "$missing" ] || skip_all "$missing not there: jobs/setup.sh --tests installs it"
new_scratch
cd "$scratch" || exit 1
quietly() { "$@" >log 2>&1 || { cat log; return 1; }; }
peer() { against clip_benchmark_parity.py "$@"; }

check 'letters' make_tiny "$scratch"
# Names that are cut to the context may become equal, and equal scores come in any order there.
sed -i 's/"context_length": 16/"context_length": 64/' tiny.json
check 'emoji' quietly "$clip_hpc" pack --from emoji --output emoji
check 'training' quietly "$clip_hpc" --config tiny.cfg --set train.samples=30000 --set optim.lr=2e-3 --run-dir run
check 'the model for open_clip' quietly "$clip_hpc" export --model run --output exported

# --- there: our sets in its layout ---------------------------------------------------------------------------------------
for name in test_letters test_faces test_pairs; do
  check "$name: to tar files" quietly on_ranks 2 "$clip_hpc" pack --to clip_benchmark --input greek/$name --output wds/$name
done
check 'emoji: to tar files' quietly "$clip_hpc" pack --to clip_benchmark --input emoji/test --output wds/emoji
check 'captions: to tar files' quietly "$clip_hpc" pack --to clip_benchmark --input greek/test_letters --type retrieval \
  --output wds/equal_captions
check 'captions of emoji: to tar files' quietly "$clip_hpc" pack --to clip_benchmark --input emoji/test --type retrieval \
  --output wds/captions_of_emoji

# --- and back: folders that its own exporter wrote, and ours ---------------------------------------------------------
check 'its exporter' quietly peer convert wds
for name in classes captions test_faces; do
  check "$name: packed" quietly on_ranks 2 "$clip_hpc" pack --from clip_benchmark --input wds/$name --output back/$name
done
check 'its captions: one to five a picture' grep -A2 captions_per_sample back/captions/test/dataset.json

cat >all.cfg <<'SUITE'
[test_letters]
path = greek/test_letters
labels = label
[test_faces]
path = greek/test_faces
labels = label
[test_pairs]
path = greek/test_pairs
labels = label
[emoji]
path = emoji/test
labels = label
[equal_captions]
path = greek/test_letters
task = retrieval
[captions_of_emoji]
path = emoji/test
task = retrieval
[classes]
path = back/classes/test
[captions]
path = back/captions/test
task = retrieval
metric = text_retrieval_recall@5
SUITE
check 'our evaluation' quietly on_ranks 2 "$clip_hpc" eval --model run --suite all.cfg --data-root . --precision fp32 --output ours
tasks=(test_letters:zeroshot_classification test_faces:zeroshot_classification test_pairs:zeroshot_classification
  emoji:zeroshot_classification equal_captions:zeroshot_retrieval captions_of_emoji:zeroshot_retrieval
  classes:zeroshot_classification captions:zeroshot_retrieval)
check 'its evaluation' quietly peer eval exported wds theirs "${tasks[@]}"
check 'the same counts' peer compare ours/clip_benchmark theirs "${tasks[@]}"
check 'its table of our files' peer build table.csv ours/clip_benchmark

check 'a set that went there and back' quietly "$clip_hpc" eval --model run --data back/test_faces/test --precision fp32 \
  --output back_results
metrics() { grep -oE '"(acc1|acc5|mean_per_class_recall)": [0-9.e-]+' "$1" | head -n 3; }
check 'has the same accuracies' diff <(metrics back_results/results.json) <(metrics ours/clip_benchmark/test_faces_*.json)

check 'a weight that is not a number' peer nan exported/open_clip_model.safetensors nan.safetensors
check 'is named, on ranks' says 2 'that are NaN or Inf' on_ranks 2 "$clip_hpc" import --input nan.safetensors \
  --config exported/open_clip_config.json --tokenizer exported/tokenizer.model --output diverged
check 'and not imported' test ! -e diverged
finish
