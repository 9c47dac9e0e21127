#!/usr/bin/env bash
# From a packed set to a report, as a user types it: train, eval, clip_report; what lies where, and what is said.
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
check 'pack' make_tiny "$scratch"
sets=$scratch/greek config=$scratch/tiny.cfg
steps() { grep -oE '"step": ?[0-9]+' "$1/metrics.jsonl" | grep -oE '[0-9]+$' | sort -nu | tr '\n' ' '; }
losses() { grep -oE '"loss": ?[0-9.]{6}' "$1/metrics.jsonl" | grep -oE '[0-9.]+$' | tr '\n' ' '; }
close_losses() { # two run folders: the losses of all steps, within rounding
  paste -d' ' <(losses "$1" | tr ' ' '\n') <(losses "$2" | tr ' ' '\n') |
    awk 'NF == 2 { n++; d = $1 - $2; if (d < 0) d = -d; if (d > 1e-3) bad++ } END { exit bad > 0 || n < 8 }'
}

# --- train -----------------------------------------------------------------------------------------------------------
run=$scratch/run
check 'train on 2 ranks' says 0 'training done: 8 steps, 512 samples' on_ranks 2 "$clip_hpc" --config "$config" --run-dir "$run"
for file in config.cfg provenance.json metrics.jsonl results.json log.txt tokenizer.model \
  checkpoints/step_000000008/{manifest.json,model.safetensors,state.h5}; do
  check "run folder: $file" test -s "$run/$file"
done
check 'a line a step' test "$(steps "$run")" = '1 2 3 4 5 6 7 8 '
check 'the result of the last evaluation' grep -q '"dataset": "greek/test_letters"' "$run/results.json"
check 'the same command again: nothing to do' says 0 'resumed from step 8' on_ranks 2 "$clip_hpc" --config "$config" --run-dir "$run"
check 'train on 8 ranks of a small machine' says 0 'training done: 8 steps' \
  on_ranks 8 "$clip_hpc" --config "$config" --run-dir "$scratch/run8"
check '8 ranks see the batches of 2' close_losses "$run" "$scratch/run8"
check 'the written configuration trains again' says 0 'training done: 8 steps' \
  "$clip_hpc" train --config "$run/config.cfg" --run-dir "$scratch/again" --set eval.every_samples=0
check 'and to the same losses' close_losses "$run" "$scratch/again"
check '--set wins over the file, later files over earlier' says 0 'training done: 3 steps, 96 samples' \
  "$clip_hpc" --config "$config" --config <(printf '[train]\nglobal_batch = 32\n') --set train.samples=96 --run-dir "$scratch/short"
check 'FLIP drops patches' says 0 '8 of 16 patches' "$clip_hpc" --config "$config" --set strategy.name=flip \
  --set strategy.mask_ratio=0.5 --set train.samples=128 --run-dir "$scratch/flip"
check 'bf16' says 0 'training done: 2 steps' "$clip_hpc" --config "$config" --set train.precision=bf16 \
  --set train.samples=128 --run-dir "$scratch/bf16"
check 'more ranks than pairs a step' says 2 'use at most 2 ranks' on_ranks 3 "$clip_hpc" --config "$config" \
  --set train.global_batch=2 --run-dir "$scratch/few"

# --- subsets and broken sets -----------------------------------------------------------------------------------------
check 'draw a subset' says 0 '25 of' "$clip_hpc" filter --data "$sets/train" --count 25 --output "$scratch/25.h5"
check 'train on a subset' says 0 '25 pairs an epoch' "$clip_hpc" --config "$config" --set data.subset="$scratch/25.h5" \
  --set train.samples=0 --set train.epochs=1 --set train.global_batch=5 --run-dir "$scratch/subset"
check 'a subset of another set' says 3 'draw it again' "$clip_hpc" --config "$config" --set data.subset="$scratch/25.h5" \
  --set data.train="$sets/test_faces" --run-dir "$scratch/wrong"
# By quality: scores of the model, on one rank and on two the same bytes.
check 'score a set' says 0 'scores' "$clip_hpc" score --model "$run" --data "$sets/train" --output "$scratch/scores.h5"
check 'score on two ranks' says 0 'scores' on_ranks 2 "$clip_hpc" score --model "$run" --data "$sets/train" --output "$scratch/scores2.h5"
check 'the same scores' cmp "$scratch/scores.h5" "$scratch/scores2.h5"
check 'keep the best tenth' says 0 'samples' "$clip_hpc" filter --data "$sets/train" --scores "$scratch/scores.h5" \
  --keep 0.1 --output "$scratch/best.h5"
check 'train on the best' says 0 'training done' "$clip_hpc" --config "$config" --set data.subset="$scratch/best.h5" \
  --set train.samples=128 --run-dir "$scratch/best"
check 'scores of another set' says 3 'clip_hpc score' "$clip_hpc" filter --data "$sets/test_pairs" \
  --scores "$scratch/scores.h5" --keep 0.5 --output "$scratch/none.h5"
check 'scores without a share' says 2 'one of --keep and --at-least' "$clip_hpc" filter --data "$sets/train" \
  --scores "$scratch/scores.h5" --output "$scratch/none.h5"
check 'score into a file that exists' says 2 'give another --output' "$clip_hpc" score --model "$run" \
  --data "$sets/train" --output "$scratch/scores.h5"
sed 's/"vocab_size": 300/"vocab_size": 100/' "$scratch/tiny.json" >"$scratch/small.json"
check 'a vocabulary larger than the model' says 2 'vocab_size' "$clip_hpc" --config "$config" \
  --set model.config="$scratch/small.json" --run-dir "$scratch/vocab"
cp -r "$sets/train" "$scratch/cut"
truncate -s -1000 "$scratch/cut/shard_00001.h5"
check 'a truncated shard, on ranks' says 3 'shard_00001.h5' on_ranks 2 "$clip_hpc" --config "$config" \
  --set data.train="$scratch/cut" --run-dir "$scratch/cut_run"
cp -r "$sets/train" "$scratch/flipped"
printf '\x55\xaa\x55\xaa' | dd of="$scratch/flipped/shard_00001.h5" bs=1 seek=50000 conv=notrunc status=none
check 'a sample with flipped bits is replaced, aloud' says 0 'was replaced' "$clip_hpc" --config "$config" \
  --set data.train="$scratch/flipped" --set train.samples=2048 --set run.log_every=100 --run-dir "$scratch/flipped_run"

# --- eval ------------------------------------------------------------------------------------------------------------
results() { grep -vE '"pretrained"' "$1/results.json"; }
check 'eval into a folder' says 0 'zero-shot' "$clip_hpc" eval --model "$run" --data "$sets/test_pairs" "$sets/test_faces" \
  --task zeroshot retrieval --output "$scratch/eval"
check 'eval: zero-shot results' grep -q zeroshot_classification "$scratch/eval/results.json"
check 'eval: retrieval results' grep -q 'image_retrieval_recall@5' "$scratch/eval/results.json"
check 'eval: both sets' grep -q greek/test_faces "$scratch/eval/results.json"
check 'eval on 3 ranks, of a checkpoint' says 0 'zero-shot' on_ranks 3 "$clip_hpc" eval --model "$run/checkpoints/step_000000008" \
  --data "$sets/test_pairs" "$sets/test_faces" --task zeroshot retrieval --output "$scratch/eval3"
check 'eval: the same accuracies' cmp <(results "$scratch/eval" | grep -E 'acc|recall') \
  <(results "$scratch/eval3" | grep -E 'acc|recall')
check 'eval: a set that is not there' says 3 'clip_hpc pack' "$clip_hpc" eval --model "$run" --data "$scratch/none"

# --- eval: class names, prompts and truth from files; search ----------------------------------------------------------
printf 'A photo of {}.\n{c}\n' >"$scratch/forms.txt"
head -n3 "$sets/test_faces/classnames.txt" >"$scratch/some.txt"
asked=("$clip_hpc" eval --model "$run" --data "$sets/test_faces" --set eval.templates="$scratch/forms.txt" eval.canonicalise=true
  eval.classes="$scratch/some.txt" eval.per_class=true eval.average=greek/test_faces)
check 'eval: files' says 0 '(templates forms, classes some, canonical): zero-shot' "${asked[@]}" --output "$scratch/asked"
check 'eval: files, on 3 ranks' says 0 'mean zero-shot accuracy of greek/test_faces' on_ranks 3 "${asked[@]}" \
  --output "$scratch/asked3"
check 'eval: files, the same numbers' cmp <(results "$scratch/asked") <(results "$scratch/asked3")
check 'eval: a subset of three classes' grep -q '"classes": 3' "$scratch/asked/results.json"
check 'eval: recall by class' diff -r "$scratch/asked/per_class" "$scratch/asked3/per_class"
check 'eval: recall of three classes' test "$(cat "$scratch"/asked/per_class/*.csv | wc -l)" = 4
echo 'a photo' >"$scratch/forms.txt"
check 'eval: a template without a place for the name' says 2 'has no {c} or {} for the class name' "${asked[@]}"
check 'eval: an average of what is not there' says 2 'eval.average' "$clip_hpc" eval --model "$run" \
  --data "$sets/test_faces" --set eval.average=none
search=("$clip_hpc" eval --model "$run" --data "$sets/test_faces" "$sets/test_pairs" --task search --query 'greek <alpha>' omega
  --matches 5 --feature-dir "$scratch/searched")
check 'search' says 0 '5 best of each of 2 queries' "${search[@]}" --output "$scratch/page.html"
check 'search: ten pictures' test "$(grep -c 'data:image/png;base64' "$scratch/page.html")" = 10
check 'search: queries are escaped' grep -qF 'greek &lt;alpha&gt;' "$scratch/page.html"
check 'search on 3 ranks' says 0 '5 best' on_ranks 3 "${search[@]}" --output "$scratch/page3.html"
check 'search: the same page' cmp "$scratch/page.html" "$scratch/page3.html"
check 'search without a page' says 2 'needs --query and --output' "${search[@]}"

# --- eval: few-shot regression and linear probes ---------------------------------------------------------------------
learned=("$clip_hpc" eval --model "$run" --task fewshot linear_probe --probe sgd adamw lbfgs --set eval.shots=1 eval.shots=5
  eval.probe_epochs=3 eval.probe_c=1 --train-data "$sets/train" --data "$sets/test_faces" "$sets/test_pairs")
check 'probes' says 0 'test_pairs: linear probe, lbfgs pooled' "${learned[@]}" --output "$scratch/learned"
for entry in '"variant": "1-shot pooled l2=1024"' '"variant": "5-shot pooled l2=1024"' '"acc1_seed_2"' \
  '"variant": "sgd pooled"' '"variant": "adamw projected"' '"weight_decay"' '"C": 1' '"train_data": "greek/train"'; do
  check "probes: $entry" grep -qF "$entry" "$scratch/learned/results.json"
done
check 'probes: 5 variants of 2 sets' test "$(grep -c '"variant"' "$scratch/learned/results.json")" = 10
check 'probes: features are kept' test "$(find "$run/features" -name 'features_*.h5' | wc -l)" = 3
check 'probes on 3 ranks, features computed anew' says 0 'lbfgs pooled' on_ranks 3 "${learned[@]}" \
  --output "$scratch/learned3" --feature-dir "$scratch/features3"
check 'probes: the same numbers' cmp <(results "$scratch/learned") <(results "$scratch/learned3")
check 'probes: the same features' diff -r "$run/features" "$scratch/features3"
cat >"$scratch/probe.cfg" <<CONFIG
[train]
samples = 128
[eval]
data = $sets/test_faces
tasks = linear_probe
train_data = $sets/train
probe_epochs = 2
CONFIG
sed '/^\[eval\]/,$d' "$config" >"$scratch/no_eval.cfg"
probed=("$clip_hpc" --config "$scratch/no_eval.cfg" --config "$scratch/probe.cfg" --run-dir "$scratch/probed")
check 'a probe after training' says 0 'test_faces: linear probe, sgd pooled' "${probed[@]}"
check 'and again' says 0 'test_faces: linear probe, sgd pooled' "${probed[@]}"
check 'its entry is replaced' test "$(grep -c '"variant": "sgd pooled"' "$scratch/probed/results.json")" = 1
check 'no split to learn from' says 2 'give eval.train_data' "$clip_hpc" eval --model "$run" --task fewshot \
  --data "$sets/test_faces"
check 'letters that no probe saw' says 2 'has a training sample in eval.train_data' "$clip_hpc" eval --model "$run" \
  --task fewshot --train-data "$sets/train" --data "$sets/test_letters"
check 'no such probe' says 2 'must be one of: sgd, adamw, lbfgs' "$clip_hpc" eval --model "$run" --task linear_probe \
  --probe svm --train-data "$sets/train" --data "$sets/test_faces"
check 'no such key' says 2 'did you mean "eval.probe_lr"' "$clip_hpc" eval --model "$run" --set eval.prob_lr=1 \
  --data "$sets/test_faces"
check 'no number' says 2 'eval.shots takes numbers' "$clip_hpc" eval --model "$run" --task fewshot --set eval.shots=few \
  --train-data "$sets/train" --data "$sets/test_faces"

# --- clip_report -----------------------------------------------------------------------------------------------------
loads_nothing() { # a page: no reference that a browser would fetch
  local found
  found=$(grep -oiE '(src|href|data|poster|action)[[:space:]]*=[[:space:]]*["'\'']?(https?:|//)[^ >]*|url\(["'\'']?(https?:|//)[^)]*|@import[^;]*' "$1")
  [[ -z $found ]] || { echo "$found"; return 1; }
}
if command -v gnuplot >/dev/null; then
  check 'clip_report' says 0 'report.html' "$clip_report" --runs "$run" "$scratch/run8" --output "$scratch/report.html"
  check 'the page is there' test -s "$scratch/report.html"
  check 'the page has figures and pictures' grep -qE '<svg|data:image' "$scratch/report.html"
  check 'the page loads nothing' loads_nothing "$scratch/report.html"
  check 'clip_report: no such run' says 2 'give a run folder' "$clip_report" --runs "$scratch/none" --output "$scratch/x.html"
else
  skip clip_report 'gnuplot is not installed'
fi
finish
