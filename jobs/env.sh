#!/usr/bin/env bash
# Sourced by every job script: finds the programs, reads the site profile, sets the variables of MPI and NCCL.
#   source jobs/env.sh
#   clip_hpc_launch 8 clip_hpc --config configs/vit_s_flip.cfg
# In:  CLIP_HPC_SITE (a file configs/sites/<name>.env), CLIP_HPC_BUILD (a build folder other than build/release),
#      LIBTORCH (a LibTorch other than the one that clip_hpc was built with)
# Out: CLIP_HPC_ROOT, PATH with clip_hpc on it, the CLIP_HPC_* values of the site, clip_hpc_launch, clip_hpc_job
# A shell in which somebody types keeps its options: -e would end it at the first command that fails.
case $- in *i*) ;; *) set -euo pipefail ;; esac

CLIP_HPC_ROOT=${CLIP_HPC_ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
export CLIP_HPC_ROOT

# --- site profile: a value that the user has set already wins ---------------------------------------------------------
clip_hpc_read_site() {
  local site=${CLIP_HPC_SITE:-local} file name names
  local -A kept=()
  case $site in
    */*) file=$site ;;
    *) file=$CLIP_HPC_ROOT/configs/sites/$site.env ;;
  esac
  if [ ! -r "$file" ]; then
    [ "$site" = local ] && return 0
    echo "env: CLIP_HPC_SITE=$site, but $file cannot be read; known: $(cd "$CLIP_HPC_ROOT/configs/sites" && echo *.env)" >&2
    return 2
  fi
  # Names that the profile sets, and those of them that are set already.
  mapfile -t names < <(sed -nE 's/^[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z_0-9]*)=.*/\2/p' "$file")
  for name in "${names[@]}"; do
    if [ -n "${!name+set}" ]; then kept[$name]=${!name}; fi
  done
  # shellcheck disable=SC1090
  source "$file"
  for name in "${names[@]}"; do
    if [ -n "${kept[$name]+set}" ]; then printf -v "$name" %s "${kept[$name]}"; fi
    export "${name?}"
  done
}
case $- in
  *i*) clip_hpc_read_site || return ;;
  *) clip_hpc_read_site ;;
esac

if [ -n "${CLIP_HPC_MODULES:-}" ] && type module >/dev/null 2>&1; then
  # Module scripts use unset variables freely.
  case $- in *u*) clip_hpc_unset=-u ;; *) clip_hpc_unset=+u ;; esac
  set +u
  # shellcheck disable=SC2086
  module load $CLIP_HPC_MODULES
  set "$clip_hpc_unset"
  unset clip_hpc_unset
fi

# --- programs: a build folder, or the prefix that this script was installed into --------------------------------------
clip_hpc_find_programs() {
  local folder
  for folder in ${CLIP_HPC_BUILD:+"$CLIP_HPC_BUILD/bin"} "$CLIP_HPC_ROOT"/build/{release,cpu}/bin "$CLIP_HPC_ROOT/../../bin"; do
    if [ -x "$folder/clip_hpc" ]; then
      PATH=$(cd "$folder" && pwd):$PATH
      export PATH
      return
    fi
  done
  # Nothing built here: whatever is on PATH, and the caller learns when it starts it.
}
clip_hpc_find_programs

# --- LibTorch: a folder that wins over the one that clip_hpc was built with ------------------------------------------
if [ -n "${LIBTORCH:-}" ] && [ -r "$LIBTORCH/lib/libtorch_cpu.so" ]; then
  export LD_LIBRARY_PATH=$LIBTORCH/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi

# --- where sbatch sends a job: `source jobs/env.sh && sbatch jobs/vit_s_flip.slurm` -----------------------------------
# These variables of sbatch win over the #SBATCH lines of a script.
for setting in PARTITION ACCOUNT GPUS_PER_NODE; do
  name=CLIP_HPC_$setting
  if [ -n "${!name:-}" ]; then export "SBATCH_$setting=${!name}"; fi
done
unset setting name

# --- threads ---------------------------------------------------------------------------------------------------------
# One rank uses the processors that Slurm gave it. Outside Slurm ranks share a machine: clip_hpc_launch divides it.
if [ -z "${OMP_NUM_THREADS:-}" ] && [ -n "${SLURM_CPUS_PER_TASK:-}" ]; then
  export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
fi

# --- Open MPI --------------------------------------------------------------------------------------------------------
# A waiting rank spins on its processor. Where ranks outnumber processors the spinning rank holds back the one that it
# waits for, so it must yield. mpirun --oversubscribe does this by itself, srun does not.
if [ "${CLIP_HPC_OVERSUBSCRIBED:-0}" = 1 ]; then
  export OMPI_MCA_mpi_yield_when_idle=${OMPI_MCA_mpi_yield_when_idle:-1}
fi
# The point-to-point layer is left to Open MPI on nodes with InfiniBand or Omni-Path: UCX and PSM2 are much faster there.
# Without such a card "ob1" (shared memory and TCP) is what it would choose anyway, and saying so saves the search.
if [ -z "${OMPI_MCA_pml:-}" ] && ! compgen -G '/sys/class/infiniband/*' >/dev/null &&
  ! compgen -G '/sys/class/cxi/*' >/dev/null && ! compgen -G '/sys/class/hfi1*' >/dev/null; then
  export OMPI_MCA_pml=ob1
fi
# Gradients travel by a non-blocking all-reduce. In place, Open MPI's own choice for it is a tree that sends every byte
# 2 log2(ranks) times; halving and doubling (3) sends it 2 (ranks - 1) / ranks times: docs/scaling.md has the difference.
export OMPI_MCA_coll_libnbc_iallreduce_algorithm=${OMPI_MCA_coll_libnbc_iallreduce_algorithm:-3}
# mpirun refuses to start as root unless told twice. Containers and test machines have no other user.
if [ "$(id -u)" = 0 ]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

# --- Slurm -----------------------------------------------------------------------------------------------------------
# The tree fence of Slurm's PMIx plugin can let ranks on several nodes leave MPI_Init too early (they crash); the ring
# does not. Where the site's mpi.conf says PMIxCollFence=ring this changes nothing.
export SLURM_PMIX_FENCE=${SLURM_PMIX_FENCE:-ring}

# --- NCCL: all its variables are set here and nowhere else ------------------------------------------------------------
export NCCL_DEBUG=${NCCL_DEBUG:-WARN}
# An operation that fails asynchronously shall end the rank and not wait for ever; clip_hpc's watchdog does the rest.
export TORCH_NCCL_ASYNC_ERROR_HANDLING=${TORCH_NCCL_ASYNC_ERROR_HANDLING:-1}

# What srun starts as a rank. Signals reach the program as well, which saves and stops; the shell only has to survive.
# shellcheck disable=SC2016
clip_hpc_rank='trap : USR1 TERM INT
[ -e "$CLIP_HPC_EXIT_CODE_FILE.began" ] || : >"$CLIP_HPC_EXIT_CODE_FILE.began"
"$@"
status=$?
case $status in
  # 138: USR1 came while the libraries were loaded, and nothing had begun.
  75 | 138) [ -e "$CLIP_HPC_EXIT_CODE_FILE.stopped" ] || : >"$CLIP_HPC_EXIT_CODE_FILE.stopped"; exit 0 ;;
  1 | 2 | 3 | 5) echo $status >"$CLIP_HPC_EXIT_CODE_FILE" ;;
esac
exit $status'

# srun could not start the ranks of a job that has run before: counted in FILE, and false up to three times in a row.
clip_hpc_not_started() {
  local times
  times=$(($(cat "$1" 2>/dev/null || echo 0) + 1))
  if [ "$times" -gt 3 ]; then
    rm -f "$1"
    return 0
  fi
  echo "$times" >"$1"
  echo "env: srun could not start the ranks (why is above); submitted again, $times of at most 3 times" >&2
  return 1
}

# clip_hpc_launch RANKS COMMAND...   RANKS 0: as many as the Slurm job asked for (outside Slurm: 1)
clip_hpc_launch() {
  local ranks=$1 launcher=${CLIP_HPC_LAUNCHER:-auto} options=() processors word monitor status=0
  shift
  # `mpirun` is also right for a site that says srun when we are on its login node or on a laptop.
  if [ -z "${SLURM_JOB_ID:-}" ]; then
    launcher=mpirun
  elif [ "$launcher" = auto ]; then
    launcher=srun
  fi
  case $launcher in
    srun)
      [ "$ranks" = 0 ] || options+=(--ntasks "$ranks")
      # Without --kill-on-bad-exit the ranks that survive a crash wait for the dead one until the time limit. But it
      # also kills the ranks that are a little later than the first to end, and srun then reports their 143. So a clean
      # stop leaves each rank as success, and the ranks leave word of why they ended in a file. (4 can be what the death
      # of another rank did to them: srun's own code says more.) Where one rank says 75, it is 75: who hung cannot say so.
      word=${CLIP_HPC_RUN_ROOT:-$PWD}/.exit_code.$SLURM_JOB_ID
      mkdir -p "$(dirname "$word")"
      rm -f "$word" "$word.began" "$word.stopped"
      CLIP_HPC_EXIT_CODE_FILE=$word srun --mpi=pmix --kill-on-bad-exit=1 "${options[@]}" \
        bash -c "$clip_hpc_rank" rank "$@" || status=$?
      case $status in
        0 | 137 | 143) if [ -s "$word" ]; then status=$(cat "$word"); elif [ -e "$word.stopped" ]; then status=75; fi ;;
        # Slurm may have given a requeued job nodes without the GPUs that it counts for it ("Invalid generic resource").
        1) [ -e "$word.began" ] || [ "${SLURM_RESTART_COUNT:-0}" = 0 ] || clip_hpc_not_started "$word.not_started" || status=75 ;;
      esac
      if [ -e "$word.began" ]; then rm -f "$word.not_started"; fi
      rm -f "$word" "$word.began" "$word.stopped"
      return "$status"
      ;;
    mpirun)
      if [ "$ranks" = 0 ]; then ranks=${SLURM_NTASKS:-1}; fi
      if [ -z "${SLURM_JOB_ID:-}" ]; then
        processors=$(nproc)
        options+=(--oversubscribe --bind-to none)
        if [ -z "${OMP_NUM_THREADS:-}" ]; then
          options+=(-x "OMP_NUM_THREADS=$((processors > ranks ? processors / ranks : 1))")
        fi
      fi
      # mpirun answers TERM and Ctrl-C by killing the ranks within two seconds, too soon for a checkpoint. USR1 it passes
      # on at once. So it gets USR1 for the first of them and TERM for the second, in a session of its own, where the
      # terminal's Ctrl-C does not reach it.
      case $- in *m*) monitor=-m ;; *) monitor=+m ;; esac
      set +m
      setsid mpirun "${options[@]}" -np "$ranks" "$@" &
      clip_hpc_mpirun=$!
      set "$monitor"
      trap 'kill -USR1 "$clip_hpc_mpirun"; trap "kill -TERM $clip_hpc_mpirun" TERM INT' TERM INT
      while :; do
        status=0
        wait "$clip_hpc_mpirun" || status=$?
        kill -0 "$clip_hpc_mpirun" 2>/dev/null || break
      done
      wait "$clip_hpc_mpirun" || status=$?
      trap - TERM INT
      return "$status"
      ;;
    *)
      echo "env: CLIP_HPC_LAUNCHER is '$launcher': write srun, mpirun or auto" >&2
      return 2
      ;;
  esac
}

# clip_hpc_job NAME COMMAND...   the rest of a job that may be requeued: runs COMMAND, queues the job again when it ends
# with 75 (stopped cleanly, more to do), at most MAX_RESTARTS times (100), and exits.
clip_hpc_job() {
  local name=$1 restarts=${SLURM_RESTART_COUNT:-0} child signalled="" status
  shift
  # COMMAND runs beside this script, so that a signal to the script alone (mpirun on a site without PMIx:
  # `sbatch --signal=B:USR1@180`, or `scancel -b -s USR1`) reaches the ranks too: srun and mpirun both pass USR1 on.
  # TERM (preemption, time limit) comes to the ranks from Slurm; this script only waits for them.
  (
    trap : USR1 TERM
    "$@"
  ) &
  child=$!
  trap 'signalled=USR1; pkill -USR1 -P "$child" || true' USR1
  trap 'signalled=TERM' TERM
  while :; do
    status=0
    wait "$child" || status=$?
    if [ -z "$signalled" ]; then break; fi
    echo "$(date '+%F %T') job $SLURM_JOB_ID restart $restarts: got $signalled, waiting for the ranks"
    signalled=""
  done
  echo "$(date '+%F %T') job $SLURM_JOB_ID restart $restarts: exit code $status"
  if [ "$status" = 75 ] && [ "$restarts" -ge "${MAX_RESTARTS:-100}" ]; then
    echo "$name: $restarts restarts are enough, not requeued; 'scontrol requeue $SLURM_JOB_ID' goes on" >&2
    exit 1
  fi
  # slurm.conf may requeue that code by itself (RequeueExit=75).
  if [ "$status" = 75 ] && [ "${CLIP_HPC_REQUEUE_EXIT:-0}" != 1 ]; then
    # Slurm ends this script as soon as the request is in; the wait keeps another exit code from being recorded first.
    if scontrol requeue "$SLURM_JOB_ID"; then sleep 60; fi
  fi
  exit "$status"
}
