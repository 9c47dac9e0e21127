#!/usr/bin/env bash
# One stage of one cell of a study: takes the cell's lock, runs clip_hpc, writes down how it went. Used by
# jobs/study_array.slurm and by `clip_study submit … --local N`; by hand, from the project folder:
#
#   jobs/study_cell.sh studies/small Ti_full_one_clip_0 train
#
# Files in studies/<study>/cells/<cell>/:
#   config.cfg   what is trained                run/         the run folder of clip_hpc
#   train.json   state of the stage, so eval.json, probe.json: running, done, failed, stopped (goes on when started again)
#   train.log    what was printed               history.log  one line a start and an end
#   lock/        there while a stage runs. Its lease is renewed every few seconds; a lock whose lease is older than
#                CLIP_HPC_LEASE_S belongs to a runner that died, and the next one takes it over.
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
state=$folder/$stage.json lock=$folder/lock
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
me="$job $host $$ $lease"
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

# --- the lock --------------------------------------------------------------------------------------------------------
# mkdir and rename are atomic on shared file systems, and ages are taken by the file system's own clock.
lease_time() { stat -c %Y "$lock/lease" 2>/dev/null || stat -c %Y "$lock" 2>/dev/null || true; }
age_of() { # time of a file, or nothing: age 0
  local clock=$folder/.clock.$host.$$ clock_time
  : >"$clock"
  clock_time=$(stat -c %Y "$clock")
  rm -f "$clock"
  echo $((clock_time - ${1:-$clock_time}))
}
# The lease is that of the lock's owner: only it knows how often it renews.
lease_is_over() {
  local of_owner
  of_owner=$(cut -d' ' -f4 "$lock/owner" 2>/dev/null || true)
  (($(age_of "$(lease_time)") > ${of_owner:-$lease}))
}
make_lock() { mkdir "$lock" 2>/dev/null && echo "$me" >"$lock/owner" && : >"$lock/lease"; }
take_lock() {
  local seen now_seen
  seen=$(lease_time)
  until make_lock; do
    if lease_is_over; then
      # One at a time, and looked at again behind the door: else the second would remove the lock of the first.
      if mkdir "$lock.door" 2>/dev/null; then
        if lease_is_over && mv "$lock" "$lock.dead.$$"; then
          tell "took the lock of a dead runner: $(cat "$lock.dead.$$/owner" 2>/dev/null || echo unknown)"
          rm -rf "$lock.dead.$$"
        fi
        rmdir "$lock.door"
      else
        # Its maker died in between when it stands for as long as a lease: a matter of milliseconds otherwise.
        if (($(age_of "$(stat -c %Y "$lock.door" 2>/dev/null || true)") > lease)); then
          rmdir "$lock.door" 2>/dev/null || true
        fi
        sleep 1
      fi
      continue
    fi
    now_seen=$(lease_time)
    # Renewed while we looked: its owner lives.
    if [ -n "$seen" ] && [ -n "$now_seen" ] && [ "$seen" != "$now_seen" ]; then return 1; fi
    seen=${seen:-$now_seen}
    sleep 1
  done
}
is_ours() { [ "$(cat "$lock/owner" 2>/dev/null)" = "$me" ]; }
# shellcheck disable=SC2317 # called by the trap
drop_lock() {
  if is_ours; then
    mv "$lock" "$lock.left.$$" 2>/dev/null && rm -rf "$lock.left.$$"
  fi
  return 0
}
# Lives as long as the launcher and no longer, whatever becomes of this script. One that finds its lock in other hands
# was taken for dead: it ends its ranks.
keep_lease() {
  while sleep $((lease / 4 > 0 ? lease / 4 : 1)) && kill -0 "$launcher" 2>/dev/null; do
    if ! is_ours; then
      tell "lost the lock to $(cat "$lock/owner" 2>/dev/null || echo nobody): the ranks are ended"
      pkill -TERM -P "$launcher" || true
      kill -TERM "$launcher" || true
      return
    fi
    touch "$lock/lease"
  done
}

# --- what there is to do ---------------------------------------------------------------------------------------------
if ! take_lock; then
  echo "study_cell: $cell runs elsewhere: $(cat "$lock/owner" 2>/dev/null || true)" >&2
  exit 1
fi
trap drop_lock EXIT
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
  train) command=("${PROGRAM:-clip_hpc}" --config "$folder/config.cfg" --run-dir "$folder/run" --resume auto) ;;
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
  clip_hpc_launch "${RANKS:-0}" "${command[@]}"
) >>"$folder/$stage.log" 2>&1 &
launcher=$!
keep_lease </dev/null >/dev/null 2>&1 &
keeper=$!
signalled=""
trap 'signalled=USR1; pkill -USR1 -P "$launcher" || true' USR1
trap 'signalled=TERM; [ -n "${SLURM_JOB_ID:-}" ] || kill -TERM "$launcher" || true' TERM INT
while :; do
  status=0
  wait "$launcher" || status=$?
  [ -n "$signalled" ] || break
  signalled=""
done
kill "$keeper" 2>/dev/null || true

# --- how it went -----------------------------------------------------------------------------------------------------
if ! is_ours; then
  tell "exit code $status, after the lock was lost: not written down"
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
