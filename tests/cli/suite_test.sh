#!/usr/bin/env bash
# Suites: many sets in one job, on any number of ranks, resumed, with what is missing skipped aloud; and the way of a set
# to CLIP_benchmark's layout and back.
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
cd "$scratch" || exit 1
check 'pack' make_tiny "$scratch"
check 'train' says 0 'training done' "$clip_hpc" --config tiny.cfg --set eval.data=greek/test_pairs --run-dir run

cat >some.cfg <<'SUITE'
[suite]
average = zero-shot: letters, pairs
average = with what is not there: letters, moon
average = nothing: moon
[letters]
path = test_letters
labels = label
metric = mean_per_class_recall
[pairs]
dataset = greek/pairs
path = test_pairs
labels = label
[moon]
path = moon/test
[captions]
dataset = letters
path = test_letters
task = retrieval
metric = mean_recall@1
[5-shot]
dataset = faces
path = test_faces
task = fewshot
train_data = train
shots = 5
[faces probe]
dataset = faces
path = test_faces
task = linear_probe
train_data = train
probes = adamw
probe_weight_decay = 0.001
probe_epochs = 2
[pairs probe]
dataset = greek/pairs
path = test_pairs
task = linear_probe
train_data = train
probes = adamw
probe_weight_decay = 0.001
probe_epochs = 2
SUITE
suite=("$clip_hpc" eval --model run --suite some.cfg --data-root greek)
fresh() { local output=$1; shift; "$@" --output "$output" --feature-dir "$output/features"; }

# --- what is written and said ----------------------------------------------------------------------------------------
check 'a suite' fresh one "${suite[@]}" 2>log
cat log
for line in '[moon]: skipped, there is no packed set greek/moon/test' '6 of 7 sections evaluated now' \
  'mean zero-shot: ' ' of 2 sets' 'of 1 sets, without moon' 'mean nothing: none of its 1 sets is there'; do
  check "it says: $line" grep -qF "$line" log
done
check 'a head that two sections share is trained once' test "$(grep -c 'linear probe, adamw on' log)" = 1
for file in letters_run_step_8_tiny_en_zeroshot_classification greek_pairs_run_step_8_tiny_en_zeroshot_classification \
  letters_run_step_8_tiny_en_zeroshot_retrieval faces_adamw_projected_run_step_8_tiny_en_linear_probe \
  faces_5-shot_pooled_l2_1024_run_step_8_tiny_en_fewshot; do
  check "it writes $file" test -s "one/clip_benchmark/$file.json"
done
check 'six files, one a result' test "$(find one/clip_benchmark -name '*.json' | wc -l)" = 6
check 'and one of all' test "$(grep -c '"dataset"' one/results.json)" = 6
for ranks in 2 4; do
  check "$ranks ranks" fresh "on$ranks" on_ranks $ranks "${suite[@]}" 2>log
  check "$ranks ranks: the same files" diff -r one/clip_benchmark "on$ranks/clip_benchmark"
  check "$ranks ranks: the same results" diff one/results.json "on$ranks/results.json"
  check "$ranks ranks: the same table" diff one/suite_some.json "on$ranks/suite_some.json"
done

# --- again -----------------------------------------------------------------------------------------------------------
check 'again: all is there' says 0 '0 of 7 sections evaluated now' fresh one "${suite[@]}"
rm one/clip_benchmark/greek_pairs_*classification.json
check 'a file is gone' says 0 '1 of 7 sections evaluated now' fresh one "${suite[@]}"
check 'it is the same again' diff -r one/clip_benchmark on2/clip_benchmark
cp one/clip_benchmark/{letters,greek_pairs}_run_step_8_tiny_en_zeroshot_classification.json
check 'a file is of another suite' says 0 '1 of 7 sections evaluated now' fresh one "${suite[@]}"
check 'it is the same once more' diff -r one/clip_benchmark on2/clip_benchmark
sed -i 's/^shots = 5/shots = 1/' some.cfg
check 'an option changed' says 0 '1 of 7 sections evaluated now' fresh one "${suite[@]}"
check 'another view' says 0 '6 of 7 sections evaluated now' fresh one "${suite[@]}" --view eval_longest
check 'and the first one' says 0 '6 of 7 sections evaluated now' fresh one "${suite[@]}"
mkdir greek/moon
cp -r greek/test_pairs greek/moon/test
check 'what was missing is there' says 0 '1 of 7 sections evaluated now' fresh one "${suite[@]}"
echo 'a drawing of {c}' >greek/moon/test/zeroshot_classification_templates.txt
check 'its prompts changed' says 0 '1 of 7 sections evaluated now' fresh one "${suite[@]}"
echo '{"rows": [' >one/suite_some.json
check 'a damaged table' says 0 'everything is evaluated again' fresh one "${suite[@]}"
check 'into the run folder, where nothing else is said' says 0 'one file a result in run/clip_benchmark' "${suite[@]}"

# --- a section that fails ----------------------------------------------------------------------------------------------
cp -r greek/test_faces greek/test_damaged
python3 - greek/test_damaged/shard_00000.h5 <<'PYTHON'
import sys
with open(sys.argv[1], "r+b") as file:
    data = bytearray(file.read())
    middle = len(data) // 2
    data[middle] ^= 0x55
    file.seek(0)
    file.write(data)
PYTHON
printf '[%s]\npath = %s\nlabels = label\n' damaged test_damaged pairs test_pairs letters test_letters >failing.cfg
failing=("$clip_hpc" eval --model run --suite failing.cfg --data-root greek --output failing --feature-dir failing/features)
for ranks in 2 1; do
  check "$ranks ranks: the exit code is the failure's" says 3 'does not match its checksum' on_ranks $ranks "${failing[@]}"
  check 'the others are done' test "$(grep -c '"state": *"done"' failing/suite_failing.json)" = 2
  check 'and it is not' test "$(grep -c '"state": *"failed"' failing/suite_failing.json)" = 1
done
cp greek/test_faces/shard_00000.h5 greek/test_damaged/
check 'mended: it alone is evaluated' says 0 '1 of 3 sections evaluated now' "${failing[@]}"

# --- stopped in the middle ---------------------------------------------------------------------------------------------
for i in $(seq 200); do printf '[set %s]\npath = test_letters\nlabels = label\n' "$i"; done >many.cfg
many=("$clip_hpc" eval --model run --suite many.cfg --data-root greek --output many)
"${many[@]}" 2>log &
job=$!
for _ in $(seq 600); do [ -s many/suite_many.json ] && break; sleep 0.05; done
kill -USR1 $job
wait $job
status=$?
check 'a signal stops it' test $status = 75
check 'and it says so' grep -q 'submit again to go on' log
before=$(find many/clip_benchmark -name '*.json' | wc -l)
check 'something was done' test "$before" -ge 1 -a "$before" -lt 200
check 'it goes on' says 0 "$((200 - before)) of 200 sections evaluated now" "${many[@]}"
check 'to the end' test "$(find many/clip_benchmark -name '*.json' | wc -l)" = 200

# --- there and back --------------------------------------------------------------------------------------------------
check 'to tar files, on 2 ranks' says 0 'tar files' on_ranks 2 "$clip_hpc" pack --to clip_benchmark --input greek/test_faces --output wds
check 'a train split beside it' says 0 'wds/train: ' "$clip_hpc" pack --to clip_benchmark --input greek/test_faces --split train --output wds
check 'and back, on 3 ranks' says 0 'back/train: ' on_ranks 3 "$clip_hpc" pack --from clip_benchmark --input wds --output back
check 'one split alone' says 0 'alone/test: ' "$clip_hpc" pack --from clip_benchmark --input wds --split test --output alone
check 'the same shards' diff back/test alone/test
check 'the same names' diff back/test/classnames.txt greek/test_faces/classnames.txt
acc() { grep -oE '"(acc|mean)[a-z_0-9]*": [0-9.e-]+' "$1/results.json"; }
for set in back/test greek/test_faces; do
  check "$set: evaluated" says 0 'zero-shot' "$clip_hpc" eval --model run --data $set --output "of_${set//\//_}"
done
check 'the same accuracies' diff <(acc of_back_test) <(acc of_greek_test_faces)

# --- what is wrong ---------------------------------------------------------------------------------------------------
wrong() { # code, text, lines of a suite
  printf '%s\n' "${@:3}" >wrong.cfg
  says "$1" "$2" on_ranks 2 "$clip_hpc" eval --model run --suite wrong.cfg --data-root greek --output wrong
}
check 'no suite' says 2 'cannot open the suite none.cfg: check --suite' "$clip_hpc" eval --model run --suite none.cfg
check 'an unknown key' wrong 2 'wrong.cfg:3: unknown key "templats" in [a]; did you mean "templates"?' '[a]' 'path = test_faces' 'templats = x'
check 'data and a suite' says 2 'leave --data, --task, --train-data and --query out' "${suite[@]}" --data greek/test_faces
echo 'a photo' >greek/forms.txt
check 'a template without a place' wrong 2 '[a]: template "a photo" has no {c} or {} for the class name' '[a]' 'path = test_faces' 'templates = forms.txt'
head -n3 greek/test_faces/classnames.txt >greek/three.txt
check 'too few class names' wrong 2 'three.txt has 3 names' '[a]' 'path = test_faces' 'classnames = three.txt'
check 'a file that is not there' wrong 2 '[a]: eval.templates = greek/none.txt: there is no such file' '[a]' 'path = test_faces' 'templates = none.txt'
cp -r greek/test_faces greek/cut
head -n3 greek/test_faces/classnames.txt >greek/cut/classnames.txt
check 'labels out of range' wrong 2 'is outside the 3 class names' '[a]' 'path = test_faces' '[b]' 'path = cut'
check 'nothing is evaluated before that is said' test ! -e wrong/clip_benchmark
check 'labels that it has not' wrong 2 'has no labels named label_x: it has label' '[a]' 'path = test_faces' 'labels = label_x'
check 'packing: labels out of range' says 2 'is outside the 3 class names' "$clip_hpc" pack --to clip_benchmark --input greek/cut --output wds_cut
check 'packing: a split that is there' says 2 'wds/test is there already' "$clip_hpc" pack --to clip_benchmark --input greek/test_faces --output wds
check 'packing: no folder of CLIP_benchmark' says 2 'holds no split' "$clip_hpc" pack --from clip_benchmark --input greek --output x
echo 0 >wds/test/nshards.txt
check 'packing: an empty split' says 2 'the split is empty' "$clip_hpc" pack --from clip_benchmark --input wds --output x
echo 9 >wds/test/nshards.txt
check 'packing: a tar that is not there' says 3 'is missing though nshards.txt says 9' "$clip_hpc" pack --from clip_benchmark --input wds --output x
check 'packing: both ways' says 2 '--to goes alone' "$clip_hpc" pack --from glyphs --to clip_benchmark --input greek/cut --output x
finish
