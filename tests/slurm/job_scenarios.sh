# shellcheck shell=bash
# Sourced by scripts that disturb jobs/vit_s_flip.slurm on virtual clusters.
#   inside:   submit NAME, then some trouble, then finishes NAME: the job completes, resumed, with all steps and the bits
#             of $REFERENCE where there is one
#   outside:  in_cluster SCENARIO NAME NODES slurm|job, one after the other in the background; judge waits for them;
#             make_run writes a configuration of clip_hpc itself and trains it undisturbed
# shellcheck source=tests/slurm/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# --- inside a cluster ------------------------------------------------------------------------------------------------
is() { [[ $(field "$1") == "$2" ]]; }
last_step() { sed -nE 's/.*"step": ?([0-9]+).*/\1/p' "$run/metrics.jsonl" 2>/dev/null | tail -n1; }
step_is_past() { [[ $(last_step) -gt $1 ]]; }
has_checkpoint() { compgen -G "$run/checkpoints/step_*/manifest.json" >/dev/null; }
says() { grep -qi -- "$1" "$log"; }
# After the pause (here 7 s) that Slurm keeps until the credential of the first launch has expired. Moving StartTime
# forward instead ends in "Job credential revoked" when both launches fall into one second.
runs_again() { [[ $(field Restarts) -ge 1 ]] && is JobState RUNNING; }

has_resumed() { grep -qis 'resumed from' "$log" "$run/log.txt"; }
has_every_step() { # steps of metrics.jsonl after a resume repeat what the lost part had counted; none may be missing
  local steps
  steps=$(sed -nE 's/.*"step": ?([0-9]+).*/\1/p' "$run/metrics.jsonl" | sort -nu | wc -l)
  [[ $steps == "$LAST_STEP" ]]
}
runs_without() { ! scontrol show hostnames "$(field NodeList)" | grep -qx "$1"; }

# Slurm 22.05 sometimes gives a job that a lost node sent back nodes without GPUs, and then holds on to those GPUs. The
# job script submits again; Slurm forgets what it held when its administrator has it read its configuration.
# shellcheck disable=SC2317 # called by expect
is_over_where_slurm_counts_wrong() {
  if says 'srun could not start the ranks' && ! is JobState RUNNING && [[ ! -e $run.reconfigured ]]; then
    echo "Slurm lost count of its GPUs: reconfigured" | tee "$run.reconfigured"
    scontrol reconfigure
  fi
  is_over
}

submit() { # name
  run=$SCRATCH/$1 log=$SCRATCH/$1.log
  job=$(cd "$CLIP_HPC_SOURCE_DIR" && sbatch --parsable --nodes=2 --ntasks-per-node=2 --gpus-per-node=2 --cpus-per-task=1 \
    --time=10 --output="$log" \
    --export="ALL,CONFIG=$CONFIG,RUN_DIR=$run,SET=$SETTINGS" jobs/vit_s_flip.slurm) || return 1
}
finishes() { # name [once]: without a restart
  expect "$1: completes" eval 'wait_for is_over_where_slurm_counts_wrong && is JobState COMPLETED'
  if [[ ${2:-} != once ]]; then
    expect "$1: the log names the restart" says 'restart [1-9][0-9]*: [0-9]* ranks' # Slurm may lose a launch, and requeue
    expect "$1: resumed from a checkpoint" has_resumed
  fi
  expect "$1: reaches the last step" test "$(last_step)" = "$LAST_STEP"
  expect "$1: logs every step" has_every_step
  if [[ -n ${REFERENCE:-} ]]; then
    expect "$1: the weights of an undisturbed run" cmp "$REFERENCE" \
      "$run/checkpoints/$(printf 'step_%09d' "$LAST_STEP")/model.safetensors"
  fi
  if [[ -n ${KEEP:-} ]] || grep -q '^failed' "$OUTCOME"; then
    scontrol show job "$job"
    tail -n 30 "$log" "$run/log.txt"
    grep -i "job.*=*$job" "$CLUSTER_DIR/log/slurmctld.log" | tail -n 20
  fi
}

node_loss() {
  submit "$1" || { outcome failed "$1: sbatch"; return; }
  expect "$1: starts" wait_for has_checkpoint
  local victim
  victim=$(scontrol show hostnames "$(field NodeList)" | tail -n1)
  kill -9 "$(pgrep -P "$(cat "$CLUSTER_DIR/run/node${victim#n}.pid")")"
  expect "$1: runs again" wait_for runs_again
  expect "$1: without $victim" runs_without "$victim"
  finishes "$1"
}

# --- outside ---------------------------------------------------------------------------------------------------------
scenarios=()
in_cluster() { # scenario, name, nodes, who requeues: slurm|job
  local by_slurm='' by_job=0
  if [[ $4 == slurm ]]; then by_slurm=75 by_job=1; fi
  scenarios+=("$2")
  # All clusters have the same name and number their jobs alike: each gets a run root of its own.
  OUTCOME=$SCRATCH/$2.outcome CLIP_HPC_RUN_ROOT=$SCRATCH/root_$2 CLIP_HPC_VCLUSTER_REQUEUE_EXIT=$by_slurm CLIP_HPC_REQUEUE_EXIT=$by_job \
    on_cluster "$SCRATCH/c${#scenarios[@]}" "$3" "$SCRATCH/$2.out" "$1" "$2" "${TROUBLE_SEED:-1}" &
}
judge() { # waits for all scenarios
  local scenario
  wait
  for scenario in "${scenarios[@]}"; do judge_cluster "$SCRATCH/$scenario.outcome" "$SCRATCH/$scenario.out" "$scenario"; done
}

# clip_hpc itself, tiny.
make_run() {
  local program=$CLIP_HPC_BINARY_DIR/bin/clip_hpc
  export PROGRAM=$program CONFIG=$SCRATCH/tiny.cfg LAST_STEP=${LAST_STEP:-120} CLIP_HPC_BUILD=$CLIP_HPC_BINARY_DIR OMP_NUM_THREADS=1
  # shellcheck disable=SC2317 # called by check, as undisturbed is
  pack() { (cd "$CLIP_HPC_SOURCE_DIR" && "$program" pack --from emoji --output "$SCRATCH/emoji" --train-tokenizer 500); }
  check 'pack emoji' pack >"$SCRATCH/pack.log" 2>&1
  cat >"$SCRATCH/tiny.json" <<'MODEL'
{
  "embed_dim": 64,
  "vision_cfg": { "image_size": 32, "layers": 1, "width": 64, "patch_size": 8, "head_width": 32 },
  "text_cfg": { "context_length": 16, "vocab_size": 500, "width": 64, "heads": 2, "layers": 1, "pool_type": "eos" }
}
MODEL
  cat >"$SCRATCH/tiny.cfg" <<CONFIG
[run]
log_every = 1
[data]
train = $SCRATCH/emoji/train
[model]
config = $SCRATCH/tiny.json
[strategy]
name = flip
mask_ratio = 0.5
[optim]
warmup = 10
[train]
samples = $((LAST_STEP * 32))
global_batch = 32
[checkpoint]
every_steps = 10
CONFIG
  export SETTINGS='run.seed=1 checkpoint.keep=2'
  # shellcheck disable=SC2317
  undisturbed() {
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun -np 4 --oversubscribe --bind-to none "$program" \
      --config "$CONFIG" --run-dir "$SCRATCH/undisturbed" --set run.seed=1
  }
  check 'a run that nobody disturbs' undisturbed >"$SCRATCH/undisturbed.log" 2>&1
  REFERENCE=$SCRATCH/undisturbed/checkpoints/$(printf 'step_%09d' "$LAST_STEP")/model.safetensors
  export REFERENCE
}
