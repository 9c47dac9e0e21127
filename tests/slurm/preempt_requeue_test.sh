#!/usr/bin/env bash
# jobs/vit_s_flip.slurm on a real Slurm: USR1 -> checkpoint -> exit code 75 -> requeue -> resume -> completion, with the
# job and with Slurm (RequeueExit) as the one who requeues; preemption by a job of higher priority; power loss of a node.
# First with a stand-in that keeps time and nothing else, which tests the job script; then with clip_hpc itself.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export CLIP_HPC_SOURCE_DIR=${CLIP_HPC_SOURCE_DIR:-$(cd "$here/../.." && pwd)}
export CLIP_HPC_BINARY_DIR=${CLIP_HPC_BINARY_DIR:-$CLIP_HPC_SOURCE_DIR/build/release}
# shellcheck source=tests/lib.sh
source "$CLIP_HPC_SOURCE_DIR/tests/lib.sh"

# --- inside a cluster ------------------------------------------------------------------------------------------------
outcome() { echo "$1 $2" >>"$OUTCOME"; } # ok|failed, what
expect() {                               # what, command...
  local what=$1
  shift
  if "$@"; then outcome ok "$what"; else outcome failed "$what"; fi
}
field() { scontrol show job "$job" -o 2>/dev/null | grep -oE "(^| )$1=[^ ]*" | head -n1 | cut -d= -f2; }
wait_for() { # seconds, command...
  local deadline=$((SECONDS + $1))
  shift
  until "$@" 2>/dev/null; do
    ((SECONDS < deadline)) || return 1
    sleep 0.2
  done
}
is() { [[ $(field "$1") == "$2" ]]; }
last_step() { sed -nE 's/.*"step": ?([0-9]+).*/\1/p' "$run/metrics.jsonl" 2>/dev/null | tail -n1; }
step_is_past() { [[ $(last_step) -gt $1 ]]; }
has_checkpoint() { compgen -G "$run/checkpoints/step_*/manifest.json" >/dev/null; }
says() { grep -qi -- "$1" "$log"; }
# After the pause (here 7 s) that Slurm keeps until the credential of the first launch has expired. Moving StartTime
# forward instead ends in "Job credential revoked" when both launches fall into one second.
runs_again() { is Restarts 1 && is JobState RUNNING; }
is_over() { [[ $(field JobState) =~ ^(COMPLETED|FAILED|CANCELLED|TIMEOUT|OUT_OF_MEMORY|NODE_FAIL)$ ]]; }

has_resumed() { grep -qis 'resumed from' "$log" "$run/log.txt"; }
runs_without() { ! scontrol show hostnames "$(field NodeList)" | grep -qx "$1"; }

submit() { # name
  run=$SCRATCH/$1 log=$SCRATCH/$1.log
  job=$(cd "$CLIP_HPC_SOURCE_DIR" && sbatch --parsable --nodes=2 --ntasks-per-node=2 --gpus-per-node=2 --cpus-per-task=1 \
    --time=10 --output="$log" \
    --export="ALL,CONFIG=$CONFIG,RUN_DIR=$run,SET=$SETTINGS" jobs/vit_s_flip.slurm) || return 1
}
finishes() {
  expect "$1: completes" eval 'wait_for 120 is_over && is JobState COMPLETED'
  expect "$1: the log names restart 1" says 'restart 1:'
  expect "$1: resumed from a checkpoint" has_resumed
  expect "$1: reaches the last step" test "$(last_step)" = "$LAST_STEP"
  if [[ -n ${KEEP:-} ]] || grep -q '^failed' "$OUTCOME"; then
    scontrol show job "$job"
    tail -n 30 "$log" "$run/log.txt"
    grep -i "job.*=*$job" "$CLUSTER_DIR/log/slurmctld.log" | tail -n 20
  fi
}
preemption() { # what
  submit "$1" || { outcome failed "$1: sbatch"; return; }
  expect "$1: starts" wait_for 60 step_is_past 0
  scancel -s USR1 "$job"
  expect "$1: exit code 75" wait_for 60 says 'exit code 75'
  expect "$1: runs again" wait_for 60 runs_again
  finishes "$1"
}
eviction() { # a job of higher priority takes the nodes: TERM, and Slurm requeues by itself
  submit "$1" || { outcome failed "$1: sbatch"; return; }
  expect "$1: starts" wait_for 60 step_is_past 1
  sbatch --parsable --partition=high --nodes=2 --ntasks-per-node=4 --output=/dev/null --wrap 'sleep 1' >/dev/null
  expect "$1: the ranks stop with exit code 75" wait_for 30 says 'exit code 75'
  expect "$1: runs again" wait_for 60 runs_again
  finishes "$1"
}
node_loss() {
  submit "$1" || { outcome failed "$1: sbatch"; return; }
  expect "$1: starts" wait_for 60 has_checkpoint
  local victim
  victim=$(scontrol show hostnames "$(field NodeList)" | tail -n1)
  kill -9 "$(pgrep -P "$(cat "$CLUSTER_DIR/run/node${victim#n}.pid")")"
  expect "$1: runs again" wait_for 120 runs_again
  expect "$1: without $victim" runs_without "$victim"
  finishes "$1"
}
if [[ ${1:-} == inside ]]; then
  "$2" "$3"
  exit 0
fi

# --- outside ---------------------------------------------------------------------------------------------------------
[[ $(id -u) == 0 ]] || skip_all 'needs root: a cluster of namespaces cannot be made by this user'
for tool in slurmctld slurmd sbatch munged ip unshare; do
  command -v "$tool" >/dev/null || skip_all "needs $tool: jobs/setup.sh --tests installs it"
done
unshare --net --mount --pid --fork true 2>/dev/null || skip_all 'this machine does not allow namespaces'

# Sockets lie in the folder of a cluster: a short path. Outside /tmp, which every node has of its own.
SCRATCH=$(mktemp -d /var/tmp/chXXXXXX)
export SCRATCH OUTCOME=$SCRATCH/outcome CLIP_HPC_SITE=virtual CLIP_HPC_RUN_ROOT=$SCRATCH
chmod 755 "$SCRATCH"
trap 'rm -rf "$SCRATCH"' EXIT

in_cluster() { # scenario, name, nodes, who requeues: slurm|job
  local name line
  : >"$OUTCOME"
  if [[ $4 == slurm ]]; then
    CLIP_HPC_VCLUSTER_REQUEUE_EXIT=75 CLIP_HPC_REQUEUE_EXIT=1 timeout -s KILL 300 "$here/vcluster.sh" "$SCRATCH/c" "$3" bash "$0" inside "$1" "$2"
  else
    CLIP_HPC_VCLUSTER_REQUEUE_EXIT='' CLIP_HPC_REQUEUE_EXIT=0 timeout -s KILL 300 "$here/vcluster.sh" "$SCRATCH/c" "$3" bash "$0" inside "$1" "$2"
  fi
  [[ -s $OUTCOME ]] || echo "failed $2: the cluster did not start" >"$OUTCOME"
  while read -r line name; do check "$name" test "$line" = ok; done <"$OUTCOME"
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
  mkdir -p "$folder"
  echo '{}' >"$folder/manifest.json"
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
if ! "$program" pack --help >/dev/null 2>&1 || ! "$program" train --help >/dev/null 2>&1; then
  skip 'preemption and node loss of clip_hpc' 'this build has no pack and train commands'
  finish
  exit
fi
export PROGRAM=$program CONFIG=$SCRATCH/tiny.cfg LAST_STEP=200 CLIP_HPC_BUILD=$CLIP_HPC_BINARY_DIR OMP_NUM_THREADS=1
(cd "$CLIP_HPC_SOURCE_DIR" && "$program" pack --from emoji --output "$SCRATCH/emoji") >"$SCRATCH/pack.log" 2>&1
check 'pack emoji' test $? = 0
data=$SCRATCH/emoji
[[ -d $data/train ]] && data=$data/train
cat >"$SCRATCH/tiny.json" <<'MODEL'
{
  "embed_dim": 64,
  "vision_cfg": { "image_size": 32, "layers": 2, "width": 64, "patch_size": 8, "head_width": 32 },
  "text_cfg": { "context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2 }
}
MODEL
cat >"$SCRATCH/tiny.cfg" <<CONFIG
[run]
log_every = 1
[data]
train = $data
[model]
config = $SCRATCH/tiny.json
[strategy]
name = flip
mask_ratio = 0.5
[optim]
warmup = 10
[train]
samples = $((LAST_STEP * 64))
global_batch = 64
[checkpoint]
every_steps = 10
CONFIG
export SETTINGS='run.seed=1 checkpoint.keep=2'
in_cluster preemption clip_hpc_job_requeues 2 job
in_cluster preemption clip_hpc_slurm_requeues 2 slurm
in_cluster eviction clip_hpc_eviction 2 job
in_cluster node_loss clip_hpc_node_loss 3 job
finish
