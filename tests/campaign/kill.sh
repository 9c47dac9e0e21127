#!/usr/bin/env bash
# Ranks that are killed at random moments of a training run, one of them or all, and started again, until the end. The
# last checkpoint has the bits of an undisturbed run, and no start continues from before the newest complete checkpoint.
# shellcheck source=tests/campaign/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/campaign/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
train+=(--set train.samples=51200 --set checkpoint.every_steps=20)
last=checkpoints/step_000000800
for ranks in 1 2 4; do
  # shellcheck disable=SC2046
  $(on $ranks) "${train[@]}" --run-dir "runs/whole_$ranks" --resume none >log 2>&1 || { cat log; exit 1; }
done
newest_step() { # RUN: of its checkpoints with a manifest
  find "$1"/checkpoints -path '*step_?????????/manifest.json' 2>/dev/null | sed -E 's,.*step_0*([0-9]+)/.*,\1,' | sort -n | tail -n1
}
a_rank() { pgrep -f -- "^$clip_hpc .*--run-dir $run( |\$)" >/dev/null; }
ended() { ! kill -0 "$launcher" 2>/dev/null || [[ $(ps -o stat= -p "$launcher") == Z* ]]; }
for ((i = 0; i < count; i++)); do
  if ((i % 6 == 0)); then
    ranks=$(pick 1 1 2 4) run=$scratch/runs/run_$i # of this campaign: another may run beside it
  fi
  before=$(newest_step "$run")
  # shellcheck disable=SC2046
  $(on "$ranks") "${train[@]}" --run-dir "$run" >log 2>&1 &
  launcher=$!
  sleep "$(between 300 2500)"
  mapfile -t pids < <(pgrep -f -- "--run-dir $run( |\$)" | while read -r pid; do
    [[ $(readlink "/proc/$pid/exe") == */clip_hpc ]] && echo "$pid"
  done)
  if ((${#pids[@]})); then
    if ((RANDOM % 2)); then kill -KILL "${pids[@]}"; else kill -KILL "${pids[RANDOM % ${#pids[@]}]}"; fi
  fi 2>/dev/null
  # Open MPI's own end can lock up when a rank was killed (PMIx_server_finalize); the ranks are gone by then.
  gone=0
  while ! ended; do
    sleep 0.1
    if a_rank; then gone=0; else gone=$((gone + 1)); fi
    if ((gone == 200)); then
      row "kill, $ranks ranks" 'mpirun locked up when its ranks had gone'
      kill -KILL "$launcher"
    fi
  done
  wait "$launcher" 2>/dev/null
  code=$?
  resumed=$(sed -nE 's/^resumed from step ([0-9]+) .*/\1/p' log)
  if [[ $before && $resumed && $resumed -lt $before ]]; then bad "kill, $ranks ranks" "from step $resumed of $before" log; fi
  if ((code == 0)); then row "kill, $ranks ranks" 'at its end already, 0'; else row "kill, $ranks ranks" 'killed'; fi
  if ((i % 6 == 5 || i == count - 1)); then
    # shellcheck disable=SC2046
    $(on "$ranks") "${train[@]}" --run-dir "$run" >log 2>&1 || bad "kill, $ranks ranks" "again: exit code $?" log
    if same "$run" "$ranks"; then row "kill, $ranks ranks" 'at its end: the same bits'; else bad "kill, $ranks ranks" 'other bits'; fi
    rm -rf "$run"
  fi
done
table
check 'no trial went wrong' test "$failures" = 0
finish
