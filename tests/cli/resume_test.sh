#!/usr/bin/env bash
# A run that is stopped, killed or cut short and goes on: the same bits on the same ranks, the same samples in the same
# order on others.
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
check 'pack' make_tiny "$scratch"

# FLIP on turned and moved pictures: every source of randomness is in it. 150 steps are several epochs and some seconds.
train=("$clip_hpc" --config "$scratch/tiny.cfg" --set strategy.name=flip --set strategy.augmentation=drawing
  --set train.samples=9600 --set checkpoint.every_steps=25 --set checkpoint.keep=99 --set eval.every_samples=0
  --set checkpoint.every_minutes=0)
newest() { find "$1/checkpoints" -name manifest.json -not -path '*.broken/*' -printf '%h\n' | sort | tail -n1; }
same_bits() { # two checkpoint folders: weights, master and both moments
  cmp "$1/model.safetensors" "$2/model.safetensors" && cmp "$1/state.h5" "$2/state.h5"
}
lines_from() { # run folder, first step: "step loss", the last line of a step where a run went over it again
  sed -nE 's/.*"step": ?([0-9]+).*"loss": ?([-0-9.e]+).*/\1 \2/p' "$1/metrics.jsonl" |
    awk -v first="$2" '$1 >= first { loss[$1] = $2 } END { for (step in loss) print step, loss[step] }' | sort -n
}
close_losses() { # two run folders, first and last step, tolerance
  join <(lines_from "$1" "$3" | sort) <(lines_from "$2" "$3" | sort) | awk -v last="$4" -v tolerance="$5" -v first="$3" '
    $1 <= last { n++; d = $2 - $3; if (d < 0) d = -d; if (d > tolerance) { bad++; print "step", $1, $2, $3 } }
    END { exit bad > 0 || n != last - first + 1 }'
}
wait_for_step() { # run folder, step
  local deadline=$((SECONDS + 60))
  until [[ $(tail -n1 "$1/metrics.jsonl" 2>/dev/null | sed -nE 's/.*"step": ?([0-9]+).*/\1/p') -ge $2 ]]; do
    ((SECONDS < deadline)) || return 1
    sleep 0.02
  done
}
ranks_of() { pgrep -f -- "^$clip_hpc .*--run-dir $1( |\$)"; }

whole=$scratch/whole
check 'the undisturbed run' says 0 'training done: 150 steps' on_ranks 2 "${train[@]}" --run-dir "$whole"

# --- stopped by a signal to one of the ranks, at whatever step that is -------------------------------------------------
run=$scratch/stopped
on_ranks 2 "${train[@]}" --run-dir "$run" >"$scratch/stopped.out" 2>&1 &
launcher=$!
check 'it runs' wait_for_step "$run" 30
kill -USR1 "$(ranks_of "$run" | tail -n1)"
wait "$launcher"
check 'USR1 to one rank: exit code 75' test $? = 75
check 'and it says what to do' grep -q 'submit again to go on' "$scratch/stopped.out"
stopped_at=$(newest "$run")
check 'stopped before its end' test "$(basename "$stopped_at")" != step_000000150
check 'submitted again' says 0 'resumed from step' on_ranks 2 "${train[@]}" --run-dir "$run"
check 'ends with the bits of the undisturbed run' same_bits "$(newest "$run")" "$(newest "$whole")"
check 'and with its losses' close_losses "$whole" "$run" 1 150 0

# --- TERM and Ctrl-C to a script that starts it through jobs/env.sh ----------------------------------------------------
run=$scratch/launched
cat >"$scratch/launch.sh" <<'SCRIPT'
source jobs/env.sh
clip_hpc_launch 2 "$@"
SCRIPT
reaches=30
for signal in TERM INT; do
  # A background job of a script ignores INT unless it is told otherwise.
  (cd "$CLIP_HPC_SOURCE_DIR" && exec env --default-signal=INT bash "$scratch/launch.sh" "${train[@]}" --run-dir "$run") \
    >"$scratch/launched.out" 2>&1 &
  launcher=$!
  check "$signal: it runs" wait_for_step "$run" "$reaches"
  kill -"$signal" "$launcher"
  wait "$launcher"
  check "$signal: exit code 75" test $? = 75
  check "$signal: the ranks save and stop" grep -q 'submit again to go on' "$scratch/launched.out"
  reaches=$(($(basename "$(newest "$run")" | sed 's/step_0*//') + 20))
done
check 'and go on' says 0 'resumed from step' on_ranks 2 "${train[@]}" --run-dir "$run"
check 'after TERM and Ctrl-C: the same bits' same_bits "$(newest "$run")" "$(newest "$whole")"

# --- what srun starts as a rank ----------------------------------------------------------------------------------------
as_rank() { # EXIT_CODE WORD COMMAND...: the code that srun sees, and the word that is left for clip_hpc_launch, or "stopped"
  local word=$scratch/word code said
  rm -f "$word"*
  # shellcheck disable=SC2016
  (cd "$CLIP_HPC_SOURCE_DIR" && SLURM_PROCID=0 CLIP_HPC_EXIT_CODE_FILE=$word \
    bash -c 'source jobs/env.sh && bash -c "$clip_hpc_rank" rank "$@"' as_rank "${@:3}")
  code=$?
  said=$(cat "$word" 2>/dev/null)
  if [[ -e $word.stopped ]]; then said+=stopped; fi
  [[ $code == "$1" && $said == "$2" && -e $word.began ]] || { echo "exit code $code, word $said"; return 1; }
}
check 'a clean stop ends no other rank' as_rank 0 stopped bash -c 'exit 75'
# shellcheck disable=SC2016
check 'a signal before the program has begun is one, too' as_rank 0 stopped bash -c 'kill -USR1 $$'
check 'a fault leaves its code' as_rank 3 3 bash -c 'exit 3'
check 'the loss of another rank leaves none' as_rank 4 '' bash -c 'exit 4'

# What clip_hpc_launch makes of it. srun stands in: the ranks that it names end, and it ends with a code of its own.
mkdir "$scratch/srun"
cat >"$scratch/srun/srun" <<'SRUN'
#!/usr/bin/env bash
while [[ $1 == -* ]]; do shift; done
for code in $RANK_CODES; do RANK_CODE=$code "$@" || true; done
exit "$SRUN_CODE"
SRUN
chmod +x "$scratch/srun/srun"
launched() { # EXIT_CODE SRUN_CODE RANK_CODES RESTARTS: of the ranks that say something
  (cd "$CLIP_HPC_SOURCE_DIR" && PATH=$scratch/srun:$PATH CLIP_HPC_LAUNCHER=srun SLURM_JOB_ID=1 SLURM_RESTART_COUNT=$4 SRUN_CODE=$2 RANK_CODES=$3 \
    CLIP_HPC_RUN_ROOT=$scratch/launches bash -c 'source jobs/env.sh && clip_hpc_launch 0 bash -c "exit \$RANK_CODE"' 2>"$scratch/launched.err")
  local code=$?
  [[ $code == "$1" ]] || { echo "exit code $code"; cat "$scratch/launched.err"; return 1; }
}
check 'all ranks stop' launched 75 0 '75 75' 0
check 'one hangs and is killed, the others stop' launched 75 137 75 0
check 'one fails, another has stopped' launched 3 143 '75 3' 0
check 'all are done' launched 0 0 '0 0' 0
check 'a rank is killed without a word of any' launched 137 137 4 0
check 'no rank of a new job is started' launched 1 1 '' 0
for time in 1 2 3; do check "no rank of a requeued job is started, $time" launched 75 1 '' "$time"; done
check 'it says so' grep -q 'srun could not start the ranks' "$scratch/launched.err"
check 'nor after three times' launched 1 1 '' 4
check 'no rank of a requeued job is started' launched 75 1 '' 5
check 'what has begun counts anew' launched 75 0 75 6
for time in 1 2 3; do check "after that, $time" launched 75 1 '' "$time"; done
check 'but the count, nothing of it is left' test "$(ls -A "$scratch/launches")" = .exit_code.1.not_started

# --- a rank that is suspended for good is named by the others ------------------------------------------------------------
run=$scratch/suspended
on_ranks 3 "${train[@]}" --set train.samples=64000 --set comm.timeout_s=2 --run-dir "$run" >"$scratch/suspended.out" 2>&1 &
launcher=$!
check 'it runs on 3 ranks' wait_for_step "$run" 30
suspended=$(ranks_of "$run" | tail -n1)
rank=$(tr '\0' '\n' <"/proc/$suspended/environ" | sed -n 's/^OMPI_COMM_WORLD_RANK=//p')
kill -STOP "$suspended"
wait "$launcher"
check 'a rank is suspended: exit code 4' test $? = 4
check 'it is named' grep -qE "^ *rank $rank on [^,]* left no word: suspended, dead" "$scratch/suspended.out"
check 'and it alone' test "$(grep -c 'left no word' "$scratch/suspended.out")" = 1
check 'and where the others wait' grep -qE '2 ranks wait in |1 rank waits in ' "$scratch/suspended.out"
check 'submitted again' says 0 'resumed from step' on_ranks 3 "${train[@]}" --set train.samples=64000 --run-dir "$run"

# --- killed without a word, twice --------------------------------------------------------------------------------------
run=$scratch/killed
for step in 40 90; do
  on_ranks 2 "${train[@]}" --run-dir "$run" >/dev/null 2>&1 &
  launcher=$!
  check "it passes step $step" wait_for_step "$run" "$step"
  ranks_of "$run" | xargs kill -9
  wait "$launcher"
done
check 'killed twice, it still ends' says 0 'training done' on_ranks 2 "${train[@]}" --run-dir "$run"
check 'killed twice: the same bits' same_bits "$(newest "$run")" "$(newest "$whole")"

# --- on other numbers of ranks ---------------------------------------------------------------------------------------
# Sums over ranks are rounded in another order and the difference grows with the steps: another order of samples would
# show as 0.1 and more from the first step on.
for ranks in 1 3; do
  run=$scratch/ranks$ranks
  mkdir -p "$run/checkpoints"
  cp -r "$whole/checkpoints/step_000000050" "$run/checkpoints"
  cp "$whole/tokenizer.model" "$run"
  check "from step 50 on $ranks ranks" says 0 'resumed from step 50' on_ranks "$ranks" "${train[@]}" --run-dir "$run"
  check "$ranks ranks: the losses of 2 ranks, at first to rounding" close_losses "$whole" "$run" 51 60 2e-5
  check "$ranks ranks: and close for 100 steps" close_losses "$whole" "$run" 51 150 0.02
done

# --- broken checkpoints, and words ---------------------------------------------------------------------------------------
run=$scratch/broken
cp -r "$whole" "$run"
truncate -s -1 "$(newest "$run")/state.h5"
rm "$run/checkpoints/step_000000125/manifest.json"
on_ranks 2 "${train[@]}" --run-dir "$run" >"$scratch/broken.out" 2>&1
check 'the newest two are broken: the third serves' grep -q 'resumed from step 100' "$scratch/broken.out"
check 'said aloud: truncated' grep -q 'skipping .*step_000000150.*state.h5 is missing or truncated' "$scratch/broken.out"
check 'said aloud: no manifest' grep -q 'skipping .*step_000000125' "$scratch/broken.out"
check 'broken ones are put aside' test -d "$run/checkpoints/step_000000125.broken"
check 'the same bits after that' same_bits "$(newest "$run")" "$(newest "$whole")"
check 'a checkpoint by name' says 0 'resumed from step 75' "${train[@]}" --run-dir "$scratch/named" \
  --set train.samples=4992 --resume "$whole/checkpoints/step_000000075"
check 'a run of its own from there: what differs is told' says 0 'with another optim.lr: 0.001, now 0.0001' "${train[@]}" --run-dir "$scratch/lr" \
  --set optim.lr=1e-4 --set train.samples=4864 --resume "$whole/checkpoints/step_000000075"
check 'another batch is refused' says 2 'train.global_batch' "${train[@]}" --run-dir "$scratch/batch" \
  --set train.global_batch=32 --resume "$whole/checkpoints/step_000000075"
check 'another model is refused' says 2 'model /model_cfg/' "${train[@]}" --run-dir "$scratch/model" \
  --set model.config="$CLIP_HPC_SOURCE_DIR/configs/models/tiny.json" --resume "$whole/checkpoints/step_000000075"
check '--resume none begins anew' says 0 'training done: 2 steps' "${train[@]}" --run-dir "$scratch/anew" \
  --set train.samples=128 --resume none
check 'and keeps what is there' says 0 'broken is kept as' "${train[@]}" --run-dir "$run" --set train.samples=128 --resume none
check 'under another name' test -d "$scratch"/broken.aside_*/checkpoints/step_000000150

# --- another configuration, another trainer ----------------------------------------------------------------------------
run=$scratch/other
cp -r "$whole" "$run"
before=$(sha256sum "$run/config.cfg")
check 'a finished run keeps its seed' says 2 'run.seed: 0, now 2' "${train[@]}" --run-dir "$run" --set run.seed=2
check 'another rate is a branch' says 2 'optim.lr: 0.001, now 0.0001' "${train[@]}" --run-dir "$run" --set optim.lr=1e-4
check 'nothing is written' test "$before" = "$(sha256sum "$run/config.cfg")"
check 'more samples resume it' says 0 'length: 150 steps, now 152' "${train[@]}" --run-dir "$run" --set train.samples=9728
check 'a branch' says 0 'branch of' on_ranks 2 "${train[@]}" --run-dir "$run" --branch slow --set optim.lr=1e-4 \
  --set train.samples=10240
check 'it says where it came from' grep -q "\"branch_of\": \"$run\"" "$scratch/slow/provenance.json"
check 'a branch is a name' says 2 'takes a name, not a path' "${train[@]}" --run-dir "$run" --branch a/b
# A signal that a compute thread takes may break it: the one thread that waits for them takes them all.
takers() { # PID SIGNALS...: how many of its threads do not block all of them
  local pid=$1 mask=0 signal status blocked count=0
  for signal in "${@:2}"; do mask=$((mask | 1 << ($(kill -l "$signal") - 1))); done
  for status in /proc/"$pid"/task/*/status; do
    blocked=$(sed -n 's/^SigBlk:\s*//p' "$status")
    (((0x$blocked & mask) == mask)) || count=$((count + 1))
  done
  echo "$count"
}
one_takes_signals() { # RUN
  local pid n=0
  for pid in $(ranks_of "$1"); do
    (($(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 | wc -l) > 3)) || return 1 # the loader's and OpenMP's at least
    [[ $(takers "$pid" USR1 TERM INT) == 1 ]] || { grep SigBlk /proc/"$pid"/task/*/status; return 1; }
    n=$((n + 1))
  done
  ((n == 2))
}
OMP_NUM_THREADS=2 on_ranks 2 "${train[@]}" --run-dir "$scratch/one" --set train.samples=640000 >"$scratch/one.out" 2>&1 &
launcher=$!
check 'one trains' wait_for_step "$scratch/one" 5
check 'one thread of each rank takes signals' one_takes_signals "$scratch/one"
check 'a second trainer is refused' says 2 'is held by process' "${train[@]}" --run-dir "$scratch/one"
check 'on many ranks too' says 2 'renewed' on_ranks 2 "${train[@]}" --run-dir "$scratch/one"
ranks_of "$scratch/one" | xargs kill -USR1
wait "$launcher"
check 'the first is not disturbed' test $? = 75
check 'it leaves no lease' test ! -e "$scratch/one/trainer.lease"
finish
