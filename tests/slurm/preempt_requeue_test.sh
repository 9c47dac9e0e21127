#!/usr/bin/env bash
# jobs/vit_s_flip.slurm on a real Slurm: USR1 -> checkpoint -> exit code 75 -> requeue -> resume -> completion, with the
# job and with Slurm (RequeueExit) as the one who requeues; preemption by a job of higher priority; power loss of a node.
# With a stand-in that keeps time and nothing else, which tests the job script, and with clip_hpc itself, whose final
# weights must be those of a run that nobody disturbed. Every scenario has a cluster of its own; they run side by side.
# shellcheck source=tests/slurm/job_scenarios.sh
source "$(dirname "${BASH_SOURCE[0]}")/job_scenarios.sh"

# --- inside a cluster ------------------------------------------------------------------------------------------------
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
if [[ ${1:-} == inside ]]; then
  "$2" "$3"
  exit 0
fi

# --- outside ---------------------------------------------------------------------------------------------------------
make_scratch

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
LAST_STEP=120 make_run
in_cluster preemption clip_hpc_signal 2 job
CLIP_HPC_LAUNCHER=mpirun in_cluster preemption clip_hpc_signal_mpirun 2 job
in_cluster eviction clip_hpc_eviction 2 job
in_cluster node_loss clip_hpc_node_loss 3 job
judge
finish
