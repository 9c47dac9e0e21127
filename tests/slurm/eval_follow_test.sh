#!/usr/bin/env bash
# jobs/eval_follow.slurm on a real Slurm, with a stand-in for the program: its words, USR1 -> exit code 75 -> requeue -> end.
# What clip_hpc eval --follow does itself is tested in tests/cli/follow_test.sh.
# shellcheck source=tests/slurm/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# --- inside the cluster ----------------------------------------------------------------------------------------------
says() { grep -q -- "$1" "$log"; }
has_evaluated() { [[ $(wc -l <"$RUN_DIR/evaluated") -ge $1 ]]; }
if [[ ${1:-} == inside ]]; then
  log=$SCRATCH/job.log
  job=$(cd "$CLIP_HPC_SOURCE_DIR" && sbatch --parsable --ntasks-per-node=2 --cpus-per-task=1 --time=10 --output="$log" \
    --export='ALL,DATA=sets/a sets/b,TASKS=zeroshot retrieval,SET=eval.pictures=0' jobs/eval_follow.slurm)
  expect 'starts' wait_for has_evaluated 2
  scancel -s USR1 "$job"
  expect 'exit code 75' wait_for says 'exit code 75'
  expect 'runs again' wait_for says 'restart 1: 2 ranks'
  wait_for is_over
  expect 'completes' test "$(field JobState)" = COMPLETED
  expect 'everything once' test "$(sort -un "$RUN_DIR/evaluated" | xargs)" = "$(xargs <"$RUN_DIR/evaluated")"
  expect 'all of it' has_evaluated 30
  expect 'its words' grep -qx \
    "eval --model $RUN_DIR --follow --poll-s 5 --data sets/a sets/b --task zeroshot retrieval --set eval.pictures=0" \
    "$RUN_DIR/words"
  job=$(cd "$CLIP_HPC_SOURCE_DIR" && RUN_DIR='' sbatch --parsable --cpus-per-task=1 --time=10 --output="$SCRATCH/no_run.log" jobs/eval_follow.slurm)
  log=$SCRATCH/no_run.log
  expect 'no run: says so' wait_for says 'which run?'

  # The scripts of single commands, with the programs themselves.
  submit() { # log, script and words
    log=$SCRATCH/$1.log
    job=$(cd "$CLIP_HPC_SOURCE_DIR" && sbatch --parsable --ntasks-per-node=1 --cpus-per-task=1 --time=10 --output="$log" "${@:2}")
    wait_for is_over
  }
  submit doctor --ntasks-per-node=2 jobs/doctor.slurm --mib 1
  expect 'doctor: two ranks' wait_for says 'mpi, 2 ranks'
  expect 'doctor: ready' test "$(field ExitCode)" = 0:0
  submit pack --ntasks-per-node=2 jobs/pack.slurm --from emoji --size 16 --output "$SCRATCH/emoji"
  expect 'pack: done' test "$(field JobState)" = COMPLETED
  expect 'pack: a set' test -s "$SCRATCH/emoji/test/dataset.json"
  submit eval jobs/eval.slurm --model "$SCRATCH/none" --data "$SCRATCH/emoji/test"
  expect 'eval: the exit code of the program' test "$(field ExitCode)" = 2:0
  expect 'eval: its words' says 'holds no complete checkpoint'
  exit 0
fi

# --- outside ---------------------------------------------------------------------------------------------------------
make_scratch
export SCRATCH OUTCOME=$SCRATCH/outcome CLIP_HPC_RUN_ROOT=$SCRATCH RUN_DIR=$SCRATCH/run POLL_S=5
export CLIP_HPC_REQUEUE_EXIT=0 CLIP_HPC_VCLUSTER_REQUEUE_EXIT='' PROGRAM=$SCRATCH/stand_in
mkdir -p "$RUN_DIR"
cat >"$PROGRAM" <<'STAND_IN'
#!/usr/bin/env bash
set -uo pipefail
stop=0
trap 'stop=1' USR1 TERM
[[ $SLURM_PROCID != 0 ]] || echo "$*" >"$RUN_DIR/words"
for ((step = 1; step <= 30; step++)); do
  grep -qsx "$step" "$RUN_DIR/evaluated" && continue
  sleep 0.3
  ((stop)) && exit 75
  [[ $SLURM_PROCID != 0 ]] || echo "$step" >>"$RUN_DIR/evaluated"
done
STAND_IN
chmod +x "$PROGRAM"
on_cluster "$SCRATCH/c" 1 "$SCRATCH/out"
judge_cluster "$OUTCOME" "$SCRATCH/out"
finish
