#!/usr/bin/env bash
# clip_study on a real Slurm: twelve cells with a stage after training; one node is taken by a job of higher priority,
# another loses power, one cell is bad input for good, one fails once. All else completes, nothing runs twice, and a second
# submit leaves alone what is queued. The program of these cells is a stand-in that keeps time and nothing else; two more
# cells run clip_hpc itself.
# shellcheck source=tests/slurm/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
patience=240
study_program=$CLIP_HPC_BINARY_DIR/bin/clip_study

# --- inside the cluster ----------------------------------------------------------------------------------------------
submit() { "$study_program" submit --grid "$SCRATCH/grid.cfg" --study "$study"; }
status() { "$study_program" status --study "$study"; }
cell_of() { sed -n "$1p" "$study/cells.txt"; }
state_of() { sed -nE 's/.*"state": "([a-z]+)".*/\1/p' "$study/cells/$(cell_of "$1")/${2:-train}.json" 2>/dev/null; }
host_of() { sed -nE 's/.*"host": "([a-z0-9]+)".*/\1/p' "$study/cells/$(cell_of "$1")/train.json"; }
beats() { [[ $(wc -l 2>/dev/null <"$study/cells/$(cell_of "$1")/run/beats") -gt $2 ]]; }
jobs_in_queue() { squeue -h -r -o '%i' | wc -l; }
queue_is_empty() { [[ $(jobs_in_queue) == 0 ]]; }
says() { # text, command...
  local text=$1 output
  shift
  output=$("$@" 2>&1)
  [[ $output == *"$text"* ]] || { echo "expected \"$text\" in: $output"; return 1; }
}
# The starts of a cell follow each other: once another one is at work, the one before never beats again.
runs_once_at_a_time() {
  awk '$1 != last { if ($1 in seen) exit 1; seen[$1] = 1; last = $1 }' "$study/cells/$(cell_of "$1")/run/beats"
}
says_lost() { # of the victim: the node's death is seen in its lease, or Slurm has queued the task again
  "$study_program" status --study "$study" | grep -F "$(cell_of "$victim") " | grep -qE 'lost|queued|pending'
}
starts_of() { grep -c "train start" "$study/cells/$(cell_of "$1")/history.log"; }
victim=''
find_victim() { # node that does not count
  local task
  for task in 2 3 4 6 8 9 10 11 12; do
    if [[ $(state_of "$task") == running && $(host_of "$task") != "$1" ]] && beats "$task" 8; then
      victim=$task
      return 0
    fi
  done
  return 1
}
failed_for_now() { [[ $(state_of "$1") == failed ]]; }
inside() {
  study=$SCRATCH/study
  cd "$CLIP_HPC_SOURCE_DIR" || exit 1
  expect 'submit' submit
  expect 'a second submit finds nothing missing' says 'nothing is missing' submit

  # A job of higher priority takes the node of cell 1.
  expect 'cell 1 runs' wait_for beats 1 8
  local taken lost
  taken=$(host_of 1)
  sbatch --parsable --partition=high --nodes=1 -w "$taken" --ntasks-per-node=4 --output=/dev/null --wrap 'sleep 3' >/dev/null
  expect 'cell 1 is stopped' wait_for grep -q 'train end.*exit code 75\|took the lease' "$study/cells/$(cell_of 1)/history.log"

  # Another node loses power.
  expect 'a cell runs on another node' wait_for find_victim "$taken"
  lost=$(host_of "$victim")
  kill -9 "$(pgrep -P "$(cat "$CLUSTER_DIR/run/node${lost#n}.pid")")"
  expect 'status knows that it is lost or queued' wait_for says_lost
  # What failed is submitted again, and nothing else: not what is queued, runs, waits for a lease, or is bad input for good.
  expect 'cell 7 fails' wait_for failed_for_now 7
  expect 'a submit in the middle of it takes cell 7 alone' says 'train: 1 cells of class' submit
  expect 'and once' says 'nothing is missing' submit

  expect 'the queue runs empty' wait_for queue_is_empty
  local task
  for task in 1 2 3 4 6 7 8 9 10 11 12; do
    expect "cell $task is trained" test "$(state_of "$task")" = "done"
    expect "cell $task is evaluated" test "$(state_of "$task" eval)" = "done"
  done
  expect 'the victim started twice' test "$(starts_of "$victim")" -ge 2
  expect 'cell 5 is given up' says 'given up' status
  expect 'the reason is the last error of its log' says 'clip_hpc: bad input: train.lr is nonsense' status
  expect 'cell 5 started once' test "$(starts_of 5)" = 1
  expect 'nothing is left to submit' says 'nothing is missing' submit
  for task in 1 2 3 4 6 7 8 9 10 11 12; do
    expect "cell $task never ran twice at once" runs_once_at_a_time "$task"
  done

  # The array script by hand, for a cell that runs: it gives way. Then cancel.
  study=$SCRATCH/second
  sed -i 's/run.seed = .*/run.seed = 1/' "$SCRATCH/grid.cfg"
  expect 'submit a second study' submit
  expect 'it runs' wait_for beats 1 2
  sbatch --parsable --array=1 --nodes=1 --ntasks-per-node=2 --output="$SCRATCH/by_hand.log" \
    --export="ALL,STUDY=$study,STAGE=train" jobs/study_array.slurm >/dev/null
  expect 'the same cell by hand gives way' wait_for grep -q 'T_1 runs elsewhere' "$SCRATCH/by_hand.log"
  expect 'and never ran' test "$(starts_of 1)" = 1
  expect 'cancel' says scancel "$study_program" cancel --study "$study"
  expect 'its jobs are gone' wait_for queue_is_empty
  expect 'and it can go on' says 'cells of class' submit
  "$study_program" cancel --study "$study" >/dev/null
  expect 'all is cancelled' wait_for queue_is_empty

  # clip_hpc itself: a set and a subset are prepared in a job, then trained and evaluated on two ranks.
  unset PROGRAM
  study=$SCRATCH/real
  expect 'submit cells of clip_hpc' says 'prepare: job' "$study_program" submit --grid "$SCRATCH/real.cfg" --study "$study"
  expect 'the queue of clip_hpc runs empty' wait_for queue_is_empty
  expect 'both are trained and evaluated' says 'eval: 2 done' status
  expect 'on two ranks' grep -q '"world_size": *2' "$study/cells/half_0/run/provenance.json"
  expect 'collect' says '2 cells' "$study_program" collect --study "$study"
  expect 'the table has retrieval of the subset' grep -q '^half_0,.*,300,.*image_retrieval_recall@1' "$study/table.csv"
  if grep -q '^failed' "$OUTCOME" || [[ ${KEEP:-} ]]; then
    cat "$study"/log/* "$study"/cells/*/*.log
    study=$SCRATCH/study
    status
    tail -n 20 "$study"/cells/*/history.log
    tail -n 5 "$study"/log/* "$study"/cells/*/*.log
    squeue
  fi
}
if [[ ${1:-} == inside ]]; then
  inside
  exit 0
fi

# --- outside ---------------------------------------------------------------------------------------------------------
make_scratch
mkdir -p "$SCRATCH/set" "$SCRATCH/bin"
echo '{"count": 1000}' >"$SCRATCH/set/dataset.json"
cat >"$SCRATCH/grid.cfg" <<GRID
[set]
data.train = $SCRATCH/set
model.config = configs/models/tiny.json
train.global_batch = 100
[axis tower]
T = model.config=configs/models/tiny.json
U = model.config=configs/models/tiny_48.json
[axis seed]
run.seed = 1 2 3 4 5 6
[class all]
nodes = 1
ranks_per_node = 2
time = 10:00
limit = 8
[eval]
words = --data nothing
GRID
cat >"$SCRATCH/real.json" <<'MODEL'
{
  "embed_dim": 32,
  "vision_cfg": { "image_size": 32, "layers": 1, "width": 32, "patch_size": 8, "head_width": 16 },
  "text_cfg": { "context_length": 16, "vocab_size": 300, "width": 32, "heads": 2, "layers": 1, "pool_type": "eos" }
}
MODEL
cat >"$SCRATCH/real.cfg" <<GRID
[study]
train_count = 1149
[prepare]
$SCRATCH/greek = clip_hpc pack --from glyphs --faces small --scripts greek --output {} --train-tokenizer 300
[set]
data.train = $SCRATCH/greek/train
model.config = $SCRATCH/real.json
train.global_batch = 64
run.log_every = 1
[axis data]
full =
half = study.count=300
[axis seed]
run.seed = 0
[class all]
ranks_per_node = 2
time = 10:00
[eval]
words = --data $SCRATCH/greek/test_letters --task retrieval --pictures 0
GRID
# Twenty-five steps of 0.2 s that rank 0 writes down with its start's own mark; goes on from where the one before stopped.
cat >"$SCRATCH/bin/stand_in" <<'STAND_IN'
#!/usr/bin/env bash
set -uo pipefail
if [[ $1 == eval ]]; then sleep 0.5; exit 0; fi
while (($#)); do
  case $1 in --run-dir) run=$2 ;; esac
  shift 2
done
cell=$(basename "$(dirname "$run")")
mkdir -p "$run"
if [[ $cell == T_5 ]]; then
  # srun ends the slower rank with the first, and its 143 is the larger code.
  [[ $SLURM_PROCID == 0 ]] || exec sleep 5
  echo 'clip_hpc: bad input: train.lr is nonsense' >&2
  exit 2
fi
if [[ $cell == U_1 && ! -e $run/failed_once ]]; then
  sleep 1
  [[ $SLURM_PROCID != 0 ]] || touch "$run/failed_once"
  exit 3
fi
stop=0 me=$SLURM_JOB_ID.${SLURM_RESTART_COUNT:-0}
trap 'stop=1' USR1 TERM
touch "$run/beats"
while (($(wc -l <"$run/beats") < 25)); do
  sleep 0.2
  [[ $SLURM_PROCID != 0 ]] || echo "$me" >>"$run/beats"
  if ((stop)); then exit 75; fi
done
STAND_IN
chmod +x "$SCRATCH/bin/stand_in"
export SCRATCH OUTCOME=$SCRATCH/outcome PROGRAM=$SCRATCH/bin/stand_in CLIP_HPC_RUN_ROOT=$SCRATCH \
  CLIP_HPC_LEASE_S=8 CLIP_HPC_VCLUSTER_REQUEUE_EXIT=75 CLIP_HPC_REQUEUE_EXIT=1 CLIP_HPC_BUILD=$CLIP_HPC_BINARY_DIR OMP_NUM_THREADS=1
on_cluster "$SCRATCH/c" 4 "$SCRATCH/out"
judge_cluster "$OUTCOME" "$SCRATCH/out"
finish
