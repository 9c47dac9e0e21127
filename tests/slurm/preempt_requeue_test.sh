#!/usr/bin/env bash
# jobs/vit_s_flip.slurm on a real Slurm: USR1 -> checkpoint -> exit code 75 -> requeue -> resume -> completion, with the
# job and with Slurm (RequeueExit) as the one who requeues; preemption by a job of higher priority; power loss of a node.
# With a stand-in that keeps time and nothing else, which tests the job script, and with clip_hpc itself, whose final
# weights must be those of a run that nobody disturbed. Every scenario has a cluster of its own; they run side by side.
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

submit() { # name
  run=$SCRATCH/$1 log=$SCRATCH/$1.log
  job=$(cd "$CLIP_HPC_SOURCE_DIR" && sbatch --parsable --nodes=2 --ntasks-per-node=2 --gpus-per-node=2 --cpus-per-task=1 \
    --time=10 --output="$log" \
    --export="ALL,CONFIG=$CONFIG,RUN_DIR=$run,SET=$SETTINGS" jobs/vit_s_flip.slurm) || return 1
}
finishes() {
  expect "$1: completes" eval 'wait_for is_over && is JobState COMPLETED'
  expect "$1: the log names the restart" says 'restart [1-9][0-9]*: [0-9]* ranks' # Slurm may lose a launch and requeue again
  expect "$1: resumed from a checkpoint" has_resumed
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
preemption() { # what
  submit "$1" || { outcome failed "$1: sbatch"; return; }
  expect "$1: starts" wait_for step_is_past 0
  scancel -s USR1 "$job"
  expect "$1: exit code 75" wait_for says 'exit code 75'
  expect "$1: runs again" wait_for runs_again
  finishes "$1"
}
eviction() { # a job of higher priority takes the nodes: TERM, and Slurm requeues by itself
  submit "$1" || { outcome failed "$1: sbatch"; return; }
  expect "$1: starts" wait_for step_is_past 1
  sbatch --parsable --partition=high --nodes=2 --ntasks-per-node=4 --output=/dev/null --wrap 'sleep 1' >/dev/null
  expect "$1: the ranks stop with exit code 75" wait_for says 'exit code 75'
  expect "$1: runs again" wait_for runs_again
  finishes "$1"
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
if [[ ${1:-} == inside ]]; then
  "$2" "$3"
  exit 0
fi

# --- outside ---------------------------------------------------------------------------------------------------------
make_scratch

scenarios=()
in_cluster() { # scenario, name, nodes, who requeues: slurm|job
  local by_slurm='' by_job=0
  if [[ $4 == slurm ]]; then by_slurm=75 by_job=1; fi
  scenarios+=("$2")
  # All clusters have the same name and number their jobs alike: each gets a run root of its own.
  OUTCOME=$SCRATCH/$2.outcome CLIP_HPC_RUN_ROOT=$SCRATCH/root_$2 CLIP_HPC_VCLUSTER_REQUEUE_EXIT=$by_slurm CLIP_HPC_REQUEUE_EXIT=$by_job \
    on_cluster "$SCRATCH/c${#scenarios[@]}" "$3" "$SCRATCH/$2.out" "$1" "$2" &
}
judge() { # waits for all scenarios
  local scenario
  wait
  for scenario in "${scenarios[@]}"; do judge_cluster "$SCRATCH/$scenario.outcome" "$SCRATCH/$scenario.out" "$scenario"; done
}

# The stand-in: 40 steps of 0.2 s, a checkpoint every 5, the words and exit codes of clip_hpc. Ranks end one after the
# other, as the ranks of a large program do.
mkdir -p "$SCRATCH/bin"
cat >"$SCRATCH/bin/stand_in" <<'STAND_IN'
#!/usr/bin/env bash
set -uo pipefail
while (($#)); do
  case $1 in --run-dir) run=$2 ;; esac
  shift 2
done
stop=0 step=0
trap 'stop=1' USR1 TERM
mkdir -p "$run/checkpoints"
newest=$(cd "$run/checkpoints" && ls -d step_*/manifest.json 2>/dev/null | tail -n1)
if [[ $newest ]]; then
  newest=${newest#step_}
  step=$((10#${newest%%/*}))
  [[ $SLURM_PROCID != 0 ]] || echo "resumed from step $step" >>"$run/log.txt"
fi
save() {
  local folder
  folder=$run/checkpoints/$(printf 'step_%09d' "$step")
  # Slurm's TERM goes to every process of a step, so it may end this mkdir.
  until mkdir -p "$folder" && echo '{}' >"$folder/manifest.json"; do :; done
}
while ((step < 40)); do
  sleep 0.2
  step=$((step + 1))
  if [[ $SLURM_PROCID == 0 ]]; then
    echo "{\"step\":$step}" >>"$run/metrics.jsonl"
    if ((step % 5 == 0 || stop)); then save; fi
  fi
  if ((stop)); then
    sleep "0.$SLURM_PROCID"
    exit 75
  fi
done
STAND_IN
chmod +x "$SCRATCH/bin/stand_in"
export PROGRAM=$SCRATCH/bin/stand_in CONFIG=configs/vit_s_flip.cfg SETTINGS='' LAST_STEP=40
in_cluster preemption job_requeues 2 job
in_cluster preemption slurm_requeues 2 slurm
in_cluster eviction eviction 2 job
in_cluster node_loss node_loss 3 job

# --- clip_hpc itself -------------------------------------------------------------------------------------------------
program=$CLIP_HPC_BINARY_DIR/bin/clip_hpc
export PROGRAM=$program CONFIG=$SCRATCH/tiny.cfg LAST_STEP=120 CLIP_HPC_BUILD=$CLIP_HPC_BINARY_DIR OMP_NUM_THREADS=1
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
undisturbed() {
  OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun -np 4 --oversubscribe --bind-to none "$program" \
    --config "$CONFIG" --run-dir "$SCRATCH/undisturbed" --set run.seed=1
}
check 'a run that nobody disturbs' undisturbed >"$SCRATCH/undisturbed.log" 2>&1
REFERENCE=$SCRATCH/undisturbed/checkpoints/$(printf 'step_%09d' "$LAST_STEP")/model.safetensors
export REFERENCE
in_cluster preemption clip_hpc_signal 2 job
CLIP_HPC_LAUNCHER=mpirun in_cluster preemption clip_hpc_signal_mpirun 2 job
in_cluster eviction clip_hpc_eviction 2 job
in_cluster node_loss clip_hpc_node_loss 3 job
judge
finish
