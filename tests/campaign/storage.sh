#!/usr/bin/env bash
# Storage that fails at a random file operation of a training run: no space, I/O error, stale handle, quota, half a
# write, a stall. The run ends with 0 or 3 and says why; the same command then ends with the bits of an undisturbed run.
# Storage that hangs for longer than checkpoint.timeout_s ends the run with 3.
# shellcheck source=tests/campaign/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/campaign/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
for ((i = 0; i < count; i++)); do
  ranks=$(pick 1 1 2 4)
  fault=$(pick enospc eio estale edquot short stall)
  calls=$(pick 1 1 3 1000000)
  if [[ $fault == stall ]]; then calls=1; fi
  trial "$fault, $ranks ranks" "$fault" "$ranks" "$calls"
done

# Each of these once: whatever the seed is.
faulty=(env LD_PRELOAD="$shim" STORAGE_BELOW="$scratch/runs")
begun=$(date +%s)
timeout 300 "${faulty[@]}" STORAGE_FAULT=stall STORAGE_STALL_S=60 STORAGE_AT=$((operations[1] / 2)) STORAGE_FOR=1000000 \
  "${train[@]}" --set checkpoint.timeout_s=2 --run-dir runs/hung >log 2>&1
code=$?
took=$(($(date +%s) - begun))
if [[ $code == 3 ]] && grep -q 'the storage does not answer' log && ((took < 100)); then
  row 'storage that hangs' 'exit 3, and says so'
else
  bad 'storage that hangs' "exit code $code after $took s" log
fi
# A file system without locks, all the time: training does without them.
if "${faulty[@]}" STORAGE_FAULT=nolock "${train[@]}" --run-dir runs/nolock >log 2>&1 && same runs/nolock 1; then
  row 'no file locks' 'trained, the same bits'
else
  bad 'no file locks' 'not trained, or other bits' log
fi
table
check 'no trial went wrong' test "$failures" = 0
finish
