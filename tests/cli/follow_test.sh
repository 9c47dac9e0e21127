#!/usr/bin/env bash
# Evaluation beside training and in it: a job that follows a run, and evaluations that fail while training goes on.
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
check 'pack' make_tiny "$scratch"
sets=$scratch/greek config=$scratch/tiny.cfg
cat >>"$config" <<CONFIG
tasks = zeroshot
tasks = retrieval
[checkpoint]
every_minutes = 0
every_steps = 2
keep = 99
CONFIG
evaluated() { # file: "step task" of each entry
  python3 - "$1" <<'PYTHON'
import json, sys
for one in json.load(open(sys.argv[1])):
    print(one["step"], one["task"], one["label"])
PYTHON
}

# --- in training: at every checkpoint --------------------------------------------------------------------------------
run=$scratch/inside
check 'eval.at_checkpoints' says 0 'training done: 8 steps' on_ranks 2 "$clip_hpc" --config "$config" --run-dir "$run" \
  --set eval.at_checkpoints=true
check 'every checkpoint is evaluated' test \
  "$(evaluated "$run/results.json" | awk '$2 == "zeroshot_retrieval" { printf "%s ", $1 }')" = '2 4 6 8 '

# --- beside training -------------------------------------------------------------------------------------------------
beside=$scratch/beside
follow=("$clip_hpc" eval --model "$beside" --follow --poll-s 0.2)
check 'a run that is not there yet' says 75 'waiting for it' "${follow[@]}" --stop-after-s 0.5
on_ranks 2 "${follow[@]}" >"$scratch/follow.out" 2>&1 &
follower=$!
check 'train, followed' says 0 'training done: 8 steps' "$clip_hpc" --config "$config" --run-dir "$beside"
wait "$follower"
check 'the follower ends with the run' test $? = 0
check 'and says so' grep -q 'is finished: every checkpoint that was there has been evaluated' "$scratch/follow.out"
# Step 8 may be left to the training job, which evaluates after its last step.
check 'every checkpoint is evaluated once' test "$(cat <(evaluated "$beside/results.json") \
  <(evaluated "$beside/results_follow.json") | awk '$2 == "zeroshot_retrieval" { print $1 }' | sort -u | xargs)" = '2 4 6 8'
cat >"$scratch/both.py" <<'PYTHON'
import json, sys
inside = {json.dumps([r["step"], r["task"], r["label"]]): r["metrics"] for r in json.load(open(sys.argv[1]))}
for r in json.load(open(sys.argv[2])):
    if inside[json.dumps([r["step"], r["task"], r["label"]])] != r["metrics"]:
        sys.exit(f"differs: {r}")
PYTHON
check "with the numbers of a run that evaluates itself" python3 "$scratch/both.py" "$run/results.json" "$beside/results_follow.json"
check 'nothing is evaluated twice' says 0 'step 2 is evaluated already' "${follow[@]}"

check 'weights that the run does not keep' says 0 'holds no averaged weights' "$clip_hpc" eval --model "$run" --follow --weights ema \
  --output "$scratch/averaged"
check 'the trained weights, elsewhere' says 2 'needs an --output of its own' "$clip_hpc" eval --model "$run" --follow --weights trained

# --- stopped, and on again -------------------------------------------------------------------------------------------
rm "$run/results.json"
check 'time is over' says 75 'submit again to go on' "$clip_hpc" eval --model "$run" --follow --stop-after-s 0.001
stopped() { # a signal to one of two ranks, while the second checkpoint is at work
  local status launcher
  on_ranks 2 "$clip_hpc" eval --model "$run" --follow --poll-s 600 --data "$sets/test_letters" --task zeroshot retrieval \
    >"$scratch/stopped.out" 2>&1 &
  launcher=$!
  local deadline=$((SECONDS + 60))
  until grep -qs '"step": 4' "$run/results_follow.json"; do ((SECONDS < deadline)) || return 1; sleep 0.02; done
  kill -USR1 "$(pgrep -f -- "^$clip_hpc eval --model $run " | tail -n1)"
  wait "$launcher"
  status=$?
  [[ $status == 75 ]] || { cat "$scratch/stopped.out"; return 1; }
}
rm -rf "$run/checkpoints/step_000000008" # a run that is not at its end: the follower would wait for more
check 'USR1 to one rank' stopped
check 'exit code 75' grep -q 'stopped following' "$scratch/stopped.out"
check 'on 3 ranks, where it left off' says 75 'is evaluated already' on_ranks 3 "$clip_hpc" eval --model "$run" --follow \
  --poll-s 0.2 --stop-after-s 20 --data "$sets/test_letters" --task zeroshot retrieval
check 'nothing is missing' test "$(evaluated "$run/results_follow.json" | awk '$2 == "zeroshot_retrieval" { print $1 }' |
  sort -un | xargs)" = '2 4 6'
if command -v gnuplot >/dev/null; then
  check 'clip_report' says 0 'report.html' "$clip_report" --runs "$beside" --output "$scratch/report.html"
  check 'it reads both files' grep -q 'best of 4 evaluations' "$scratch/report.html"
else
  skip clip_report 'gnuplot is not installed'
fi

# --- what vanishes, what is broken -----------------------------------------------------------------------------------
rm -f "$run/results_follow.json"
truncate -s -100 "$run/checkpoints/step_000000002/model.safetensors"
check 'a broken checkpoint is skipped, aloud' says 75 'warning: skipping' "$clip_hpc" eval --model "$run" --follow \
  --poll-s 0.2 --stop-after-s 10
check 'and the others evaluated' test "$(evaluated "$run/results_follow.json" |
  awk '$2 == "zeroshot_retrieval" { print $1 }' | xargs)" = '4 6'
check '--task without --data' says 2 'give --data too' "$clip_hpc" eval --model "$run" --follow --task retrieval
check 'no set' says 3 'clip_hpc pack' "$clip_hpc" eval --model "$run" --follow --data "$scratch/none"

# --- an evaluation that fails while training goes on -----------------------------------------------------------------
# A picture with flipped bits is found when it is read: by one rank, in a collective of all.
cp -r "$sets/test_letters" "$scratch/greek/test_damaged"
python3 - "$scratch/greek/test_damaged/shard_00000.h5" <<'PYTHON'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
middle = len(data) // 2
data[middle:middle + 4] = bytes(b ^ 0x55 for b in data[middle:middle + 4])
open(sys.argv[1], "wb").write(data)
PYTHON
failing=$scratch/failing
check 'training goes on' says 0 'training done: 8 steps' on_ranks 2 "$clip_hpc" --config "$config" --run-dir "$failing" \
  --set eval.data="$scratch/greek/test_damaged" --set eval.every_samples=256
check 'the picture is named' grep -qE 'EVALUATION FAILED, zero-shot of .*test_damaged: .*picture [0-9]+ cannot be used' "$failing/log.txt"
check 'metrics.jsonl says so' test "$(grep -c '"event":"evaluation_failed"' "$failing/metrics.jsonl")" -ge 2
check 'and its steps are there' test "$(grep -c '"loss"' "$failing/metrics.jsonl")" = 8
check 'clip_hpc eval fails by it' says 3 'cannot be used' on_ranks 2 "$clip_hpc" eval --model "$failing" \
  --data "$scratch/greek/test_damaged"
check 'the weights are those of the run that evaluates well' cmp "$failing/checkpoints/step_000000006/model.safetensors" \
  "$run/checkpoints/step_000000006/model.safetensors"
check 'a set that is not there is told before training' says 3 'clip_hpc pack' "$clip_hpc" --config "$config" \
  --run-dir "$scratch/none" --set eval.data="$scratch/greek/test_none"
finish
