#!/usr/bin/env bash
# jobs/eval_follow.slurm on a real Slurm, with a stand-in for the program: its words, USR1 -> exit code 75 -> requeue -> end.
# What clip_hpc eval --follow does itself is tested in tests/cli/follow_test.sh.
# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
here=$CLIP_HPC_SOURCE_DIR/tests/slurm

# --- inside the cluster ----------------------------------------------------------------------------------------------
outcome() { echo "$1 $2" >>"$OUTCOME"; } # ok|failed, what
expect() {                               # what, command...
  local what=$1
  shift
  if "$@"; then outcome ok "$what"; else outcome failed "$what"; fi
}
field() { scontrol show job "$job" -o 2>/dev/null | grep -oE "(^| )$1=[^ ]*" | head -n1 | cut -d= -f2; }
wait_for() { # command...
  local deadline=$((SECONDS + 150))
  until "$@" 2>/dev/null; do
    ((SECONDS < deadline)) || return 1
    sleep 0.2
  done
}
says() { grep -q -- "$1" "$log"; }
has_evaluated() { [[ $(wc -l <"$RUN_DIR/evaluated") -ge $1 ]]; }
is_over() { [[ $(field JobState) =~ ^(COMPLETED|FAILED|CANCELLED|TIMEOUT)$ ]]; }
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
[[ $(id -u) == 0 ]] || skip_all 'needs root: a cluster of namespaces cannot be made by this user'
for tool in slurmctld slurmd sbatch munged ip unshare; do
  command -v "$tool" >/dev/null || skip_all "needs $tool: jobs/setup.sh --tests installs it"
done
case $CLIP_HPC_SOURCE_DIR/ in
  /tmp/*) skip_all 'the source tree lies in /tmp, of which every node of the virtual cluster has its own: clone it elsewhere' ;;
esac
unshare --net --mount --pid --fork true 2>/dev/null || skip_all 'this machine does not allow namespaces'
SCRATCH=$(mktemp -d /var/tmp/chXXXXXX) # short: sockets lie in it; outside /tmp, which every node has of its own
chmod 755 "$SCRATCH"
trap 'rm -rf "$SCRATCH"' EXIT
export SCRATCH OUTCOME=$SCRATCH/outcome CLIP_HPC_SITE=virtual CLIP_HPC_RUN_ROOT=$SCRATCH RUN_DIR=$SCRATCH/run POLL_S=5
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
timeout -s KILL 300 "$here/vcluster.sh" "$SCRATCH/c" 1 bash "$0" inside >"$SCRATCH/out" 2>&1
if ! [[ -s $OUTCOME ]] || grep -q '^failed' "$OUTCOME"; then
  cat "$SCRATCH/out" "$SCRATCH"/*.log
fi
[[ -s $OUTCOME ]] || echo 'failed the cluster did not start' >"$OUTCOME"
while read -r verdict name; do check "$name" test "$verdict" = ok; done <"$OUTCOME"
finish
