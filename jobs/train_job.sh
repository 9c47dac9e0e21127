# shellcheck shell=bash
# What every training job does, from the scripts of this folder and of jobs/paper: they source it, from the project
# folder, and call
#
#   train_job NAME CONFIG...
#
# which runs clip_hpc on all ranks of the allocation with those configuration files, one after the other. From the
# environment of sbatch --export=ALL,…:
#
#   CONFIG        other configuration files, "a.cfg b.cfg"   those of the script
#   SET           more settings, "section.key=value ..."     (none)
#   RUN_DIR       run folder                                 $CLIP_HPC_RUN_ROOT/<name of the last file>
#   PROGRAM       what to run                                clip_hpc
#   MAX_RESTARTS  requeues before it gives up                100
#
# A job may be killed at any time: submitted again, requeued, preempted or after the time limit it goes on from the
# newest complete checkpoint. Before the limit (#SBATCH --signal=USR1@180) every rank gets USR1, writes a checkpoint and
# ends with exit code 75, and the job queues itself again.

train_job() {
  local name=$1 restarts=${SLURM_RESTART_COUNT:-0} file
  shift
  local -a files=("$@") words=()
  [[ -z ${CONFIG:-} ]] || read -ra files <<<"$CONFIG"
  for file in "${files[@]}"; do words+=(--config "$file"); done
  local run_dir=${RUN_DIR:-${CLIP_HPC_RUN_ROOT:-runs}/$(basename "${files[-1]}" .cfg)}
  for file in ${SET:-}; do words+=(--set "$file"); done

  # A rank or a link that dies ends the run with 75, to be submitted again, while there are restarts left; else with 4.
  if ((restarts < ${MAX_RESTARTS:-100})); then export CLIP_HPC_REQUEUE=${CLIP_HPC_REQUEUE:-1}; fi

  echo "$(date '+%F %T') job $SLURM_JOB_ID restart $restarts: $SLURM_NTASKS ranks on $SLURM_JOB_NODELIST, ${files[*]} -> $run_dir"
  # 75: stopped cleanly with a checkpoint, more to do.
  clip_hpc_job "$name" clip_hpc_launch 0 "${PROGRAM:-clip_hpc}" "${words[@]}" --run-dir "$run_dir" --resume auto
}
