#!/usr/bin/env bash
# One stage of one cell of a study: takes the cell's lease, runs clip_hpc, writes down how it went. Used by
# jobs/study_array.slurm and by `clip_study submit … --local N`; by hand, from the project folder:
#
#   jobs/study_cell.sh studies/small Ti_full_one_clip_0 train
#
# Files in studies/<study>/cells/<cell>/:
#   config.cfg   what is trained                run/         the run folder of clip_hpc
#   origin       of a fork: the checkpoint of another cell that it begins from
#   train.json   state of the stage, so eval.json, probe.json: running, done, failed, stopped (goes on when started again)
#   train.log    what was printed               history.log  one line a start and an end
#   lease        there while a stage runs: host, process, job. `clip_study hold` renews it every few seconds; one that is
#                older than CLIP_HPC_LEASE_S, or whose process is gone, belongs to a runner that died, and the next one
#                takes it over.
#
#   PROGRAM           what to run                                          clip_hpc
#   RANKS             ranks; 0: those of the Slurm job, else 1             0
#   CLIP_HPC_LEASE_S  seconds after which a silent runner counts as dead   120
# Exit codes: clip_hpc's own; 0 when the stage was done already; 1 also when another runner has the cell.
set -euo pipefail

if [ $# != 3 ]; then
  echo 'usage: jobs/study_cell.sh STUDY CELL train|eval|probe' >&2
  exit 2
fi
study=$1 cell=$2 stage=$3
folder=$study/cells/$cell
state=$folder/$stage.json
if [ ! -r "$folder/config.cfg" ]; then
  echo "study_cell: $folder/config.cfg cannot be read: clip_study plan --study $study writes it" >&2
  exit 2
fi
CLIP_HPC_ROOT=${CLIP_HPC_ROOT:-$PWD}
# shellcheck source=jobs/env.sh
source "$CLIP_HPC_ROOT/jobs/env.sh"

lease=${CLIP_HPC_LEASE_S:-120}
job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
job=${job:-${SLURM_JOB_ID:-local}}
restart=${SLURM_RESTART_COUNT:-0}
host=$(hostname)
cap=$(sed -nE 's/^ *"attempts": ([0-9]+).*/\1/p' "$study/plan.json" 2>/dev/null | head -n1)
cap=${cap:-3}

now() { date -u '+%FT%TZ'; }
tell() { echo "$(now) $stage $*" >>"$folder/history.log"; }
state_of() { sed -nE 's/.*"state": "([a-z]+)".*/\1/p' "$folder/$1.json" 2>/dev/null || true; }
number_in_state() { # name
  local value
  value=$(sed -nE "s/.*\"$1\": ([0-9]+).*/\1/p" "$state" 2>/dev/null || true)
  echo "${value:-0}"
}
write_state() { # state, exit code or null, end or nothing
  printf '{"state": "%s", "attempts": %d, "lost": %d, "final": %s, "exit_code": %s, "job": "%s", "host": "%s", "started": "%s", "ended": "%s"}\n' \
    "$1" "$attempts" "$lost" "$final" "$2" "$job" "$host" "$started" "${3:-}" >"$state.$$"
  mv "$state.$$" "$state"
}

# --- the lease -------------------------------------------------------------------------------------------------------
# Another program holds it for as long as this script, or the launcher, has the other end of its input open.
take_lease() {
  local answer="" to from
  coproc holder { exec clip_study hold --file "$folder/lease" --lasts-s "$lease"; }
  # shellcheck disable=SC2154 # coproc sets it
  holder_pid=$holder_PID
  to=${holder[1]} from=${holder[0]}
  eval "exec 8>&$to 9<&$from $to>&- $from<&-"
  read -r answer <&9 || return 1
  if [ "$answer" != held ]; then tell "took the lease of a dead runner: ${answer#held }"; fi
}
is_ours() { jobs -rp | grep -qx "$holder_pid"; }
# shellcheck disable=SC2317 # called by the trap
drop_lease() {
  exec 8>&-
  wait "$holder_pid" 2>/dev/null || true
}
# A runner that was taken for dead, after a pause of its node for example, ends its ranks.
watch_lease() {
  local word
  while read -r word <&9; do
    tell "$word: the ranks are ended"
    pkill -TERM -P "$launcher" || true
    kill -TERM "$launcher" || true
  done
}

# --- what there is to do ---------------------------------------------------------------------------------------------
if ! take_lease; then
  echo "study_cell: $cell runs elsewhere, or its folder cannot be written: see above" >&2
  exit 1
fi
trap drop_lease EXIT
if [ "$(state_of "$stage")" = "done" ]; then
  echo "study_cell: $stage of $cell is done"
  exit 0
fi
if [ "$stage" != train ] && [ "$(state_of train)" != "done" ]; then
  echo "study_cell: $cell is not trained yet" >&2
  exit 1
fi
attempts=$(number_in_state attempts) lost=$(number_in_state lost) final=false started=$(now)
# A runner that died without a word, with its node for example.
if [ "$(state_of "$stage")" = running ]; then lost=$((lost + 1)); fi
if [ "$lost" -ge 20 ]; then
  final=true
  write_state failed null "$(now)"
  echo "study_cell: $stage of $cell died $lost times without a word: given up" >&2
  exit 1
fi

case $stage in
  train)
    # A fork begins from another cell's checkpoint, and goes on from its own, wherever the study has moved.
    from=auto
    if [ -r "$folder/origin" ] && ! compgen -G "$folder/run/checkpoints/step_*[0-9]/manifest.json" >/dev/null; then
      from=$study/$(cat "$folder/origin")
      if [ ! -d "$from" ]; then
        echo "study_cell: $cell begins from $from, which is not there: train that cell first" >&2
        exit 1
      fi
    fi
    command=("${PROGRAM:-clip_hpc}" --config "$folder/config.cfg" --run-dir "$folder/run" --resume "$from")
    ;;
  eval | probe)
    [ -r "$study/$stage.words" ] || { echo "study_cell: $study/$stage.words cannot be read" >&2; exit 2; }
    read -ra words <"$study/$stage.words"
    command=("${PROGRAM:-clip_hpc}" eval --model "$folder/run" "${words[@]}")
    ;;
  *) echo "study_cell: the stage is train, eval or probe, not $stage" >&2; exit 2 ;;
esac
write_state running null
tell "start job $job restart $restart on $host"

# A rank or a link that dies ends the run with 75 (start again) in a Slurm job, while there are restarts left.
if [ -n "${SLURM_JOB_ID:-}" ] && [ "$restart" -lt "${MAX_RESTARTS:-100}" ]; then
  export CLIP_HPC_REQUEUE=${CLIP_HPC_REQUEUE:-1}
fi
# The launcher runs beside this script, so that a signal to the script reaches the ranks. In a Slurm job TERM comes to
# the ranks from Slurm, and this script only waits; outside it is passed on, and the ranks save and stop.
(
  trap : USR1 TERM INT
  clip_hpc_launch "${RANKS:-0}" "${command[@]}" 8>&- 9<&-
) >>"$folder/$stage.log" 2>&1 &
launcher=$!
watch_lease 8>&- </dev/null >/dev/null 2>&1 &
watcher=$!
signalled=""
trap 'signalled=USR1; pkill -USR1 -P "$launcher" || true' USR1
trap 'signalled=TERM; [ -n "${SLURM_JOB_ID:-}" ] || kill -TERM "$launcher" || true' TERM INT
while :; do
  status=0
  wait "$launcher" || status=$?
  [ -n "$signalled" ] || break
  signalled=""
done
kill "$watcher" 2>/dev/null || true

# --- how it went -----------------------------------------------------------------------------------------------------
if ! is_ours; then
  tell "exit code $status, after the lease was lost: not written down"
  exit 1
fi
case $status in
  0) write_state "done" 0 "$(now)" ;;
  75) write_state stopped 75 "$(now)" ;;
  *)
    attempts=$((attempts + 1))
    # Bad input stays bad input.
    if [ "$status" = 2 ] || [ "$attempts" -ge "$cap" ]; then final=true; fi
    write_state failed "$status" "$(now)"
    ;;
esac
tell "end job $job restart $restart exit code $status"
exit "$status"
