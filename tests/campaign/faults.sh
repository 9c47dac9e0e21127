# shellcheck shell=bash
# Sourced after common.sh by the campaigns that make file operations fail: an undisturbed run for 1, 2 and 4 ranks, and
#   trial ROW FAULT RANKS CALLS [AT]   one run that fails at operation AT (a random one) and CALLS - 1 more, and its repair
new_scratch
# shellcheck disable=SC2154 # new_scratch sets it
cd "$scratch" || exit 1
failures=0
bad() { # WHAT OUTCOME [FILE]
  row "$1" "$2"
  failures=$((failures + 1))
  echo "$1: $2"
  if [[ ${3:-} ]]; then tail -n 5 "$3"; fi
}
shim=$scratch/storage_shim.so
cc -O1 -shared -fPIC -o "$shim" "$CLIP_HPC_SOURCE_DIR/tests/campaign/storage_shim.c" -ldl || exit 1
make_tiny "$scratch" || exit 1
train=("$clip_hpc" --config tiny.cfg --set train.samples=1280 --set checkpoint.every_steps=3 --set checkpoint.keep=3
  --set comm.timeout_s=60)
last=checkpoints/step_000000020
declare -A operations=()
mkdir runs
on() { # RANKS: the launcher's words
  if (($1 == 1)); then echo env; else echo mpirun -np "$1" --oversubscribe --bind-to none; fi
}
for ranks in 1 2 4; do
  # shellcheck disable=SC2046
  $(on $ranks) env LD_PRELOAD="$shim" STORAGE_BELOW="$scratch/runs" STORAGE_FAULT=count STORAGE_COUNT="$scratch/counts_$ranks" \
    "${train[@]}" --run-dir "runs/whole_$ranks" >log 2>&1 || { cat log; exit 1; }
  operations[$ranks]=$(sort -n "counts_$ranks" | tail -n1)
done
same() { # RUN RANKS: its last checkpoint, bit by bit
  cmp -s "$1/$last/model.safetensors" "runs/whole_$2/$last/model.safetensors" &&
    cmp -s "$1/$last/state.h5" "runs/whole_$2/$last/state.h5"
}
trial() {
  local what=$1 fault=$2 ranks=$3 calls=$4 at=${5:-} run=runs/trial code left
  at=${at:-$((1 + (RANDOM * 32768 + RANDOM) % ${operations[$3]}))}
  rm -rf "$run"
  # Rank 0 does most of the writing. The shell's own word about who was killed is not wanted.
  # shellcheck disable=SC2046
  {
    timeout 300 $(on "$ranks") env LD_PRELOAD="$shim" STORAGE_BELOW="$scratch/runs" STORAGE_FAULT="$fault" \
      STORAGE_AT="$at" STORAGE_FOR="$calls" STORAGE_RANK=$((RANDOM % 2 ? 0 : RANDOM % ranks)) \
      "${train[@]}" --run-dir "$run" >log 2>&1
    code=$?
  } 2>/dev/null
  case $fault:$code in
    *:0 | *:3) row "$what" "exit code $code" ;;
    die:*) row "$what" 'killed' ;;
    *:4 | *:75) row "$what" "exit code $code" ;; # another rank gave up first
    *) bad "$what" "operation $at: exit code $code" log ;;
  esac
  cp log first_log
  # shellcheck disable=SC2046
  timeout 300 $(on "$ranks") "${train[@]}" --run-dir "$run" >log 2>&1
  code=$?
  if ((code != 0)); then
    bad "$what" "operation $at, then again: exit code $code" log
  elif ! same "$run" "$ranks"; then
    bad "$what" "operation $at: other bits"
  else
    row "$what" 'again: the same bits'
  fi
  # The next start clears what the first one left; no fault here damages a checkpoint that would be put aside.
  left=$(find "$run" -name '*.tmp*' -o -name '*.part' -o -name '*.broken' | head -n 3)
  [[ -z $left ]] || bad "$what" "operation $at: left over: ${left//$'\n'/ }"
}
