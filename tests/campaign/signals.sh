#!/usr/bin/env bash
# A signal at a random moment of every program: it ends within 5 s, with 75, and the same command continues to the same
# result. Training in fp32 and bf16 on all compute threads is stopped and resumed until its end.
# shellcheck source=tests/campaign/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
cd "$scratch" || exit 1
export OMP_NUM_THREADS=2 # products on several threads, as users have them
failures=0
bad() { # WHAT OUTCOME [FILE]
  row "$1" "$2"
  failures=$((failures + 1))
  echo "$1: $2"
  if [[ ${3:-} ]]; then tail -n 5 "$3"; fi
}

make_tiny "$scratch" || exit 1
sed -i 's/"width": 32, "patch_size": 8/"width": 128, "patch_size": 4/; s/"head_width": 16/"head_width": 32/' tiny.json

is_asked_for() { [[ -z $only || $only == "$1" ]]; } # NAME

# Started, signalled after a while, waited for. Sets code; 137 where 5 s were not enough.
hit() { # SECONDS SIGNAL COMMAND...
  local after=$1 signal=$2 pid
  shift 2
  "$@" >log 2>&1 &
  pid=$!
  sleep "$after"
  kill -s "$signal" "$pid" 2>/dev/null
  local tick
  for ((tick = 0; tick < 100; tick++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.05
  done
  kill -s KILL "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
  code=$?
}

# The first tenth of a second loads libraries: whoever is hit there dies of the signal before it is a program.
is_too_early() { # NAME
  [[ $code =~ ^(130|138|143)$ ]] || return 1
  # On ranks it is mpirun that says so of one of them.
  [[ ! -s log ]] || grep -q '^mpirun noticed .* exited on signal 1[05] ' log || return 1
  row "$1" 'while its libraries were loaded'
}

# --- training: stopped again and again, until its end ---------------------------------------------------------------
train=("$clip_hpc" --config tiny.cfg --set eval.data= --set train.samples=12800 --set train.global_batch=128
  --set checkpoint.every_minutes=0)
for precision in fp32 bf16; do
  is_asked_for train || [[ $precision == fp32 ]] || continue # the others need a model
  "${train[@]}" --set train.precision=$precision --run-dir whole_$precision >log 2>&1 || { cat log; exit 1; }
  is_asked_for train || continue
  trials=0 runs=0
  while ((trials < count)); do
    run=run_${precision}_$runs
    command=("${train[@]}" --set train.precision="$precision" --run-dir "$run")
    until ((trials >= count)); do
      hit "$(between 200 2500)" "$(pick USR1 TERM INT)" "${command[@]}"
      trials=$((trials + 1))
      case $code in
        75) row "train $precision" 'stopped, 75' ;;
        0) row "train $precision" 'at its end already, 0'; break ;;
        *) is_too_early "train $precision" || bad "train $precision" "exit code $code" log ;;
      esac
    done
    "${command[@]}" >log 2>&1 || bad "train $precision" "resumed, then exit code $?" log
    for file in model.safetensors state.h5; do
      cmp -s "$run"/checkpoints/step_000000100/$file whole_$precision/checkpoints/step_000000100/$file ||
        bad "train $precision" "other bits in $file"
    done
    row "train $precision" 'run to its end, the same bits'
    rm -rf "$run"
    runs=$((runs + 1))
  done
done

# --- everything else ------------------------------------------------------------------------------------------------
# COMMAND writes OUTPUT; it is timed once, then hit somewhere in that time, then run again to its end.
program() { # NAME OUTPUT COMMAND...
  local name=$1 output=$2 start whole_ms wanted i
  shift 2
  is_asked_for "$name" || return 0
  rm -rf "$output"
  start=$(date +%s%3N)
  "$@" >log 2>&1 || { bad "$name" "undisturbed: exit code $?" log; return; }
  whole_ms=$(($(date +%s%3N) - start))
  wanted=$(content_of "$output")
  for ((i = 0; i < count; i++)); do
    rm -rf "$output"
    hit "$(between 30 "$whole_ms")" "$(pick USR1 TERM INT)" "$@"
    case $code in
      75) row "$name" 'stopped, 75' ;;
      0) row "$name" 'at its end already, 0'; continue ;;
      *) is_too_early "$name" || bad "$name" "exit code $code" log; continue ;;
    esac
    # It may have been hit between its last write and its end: then it says that its output is there.
    "$@" >log 2>&1 || grep -qE 'exists|already holds' log || bad "$name" "again: exit code $?" log
    [[ $(content_of "$output") == "$wanted" ]] || bad "$name" 'another result' log
  done
}
model=whole_fp32
program pack packed "$clip_hpc" pack --from glyphs --faces small --scripts greek --output packed --train-tokenizer 300 \
  --samples-per-shard 64
# Tars of captioned pictures, out of the packed letters.
make_tars() {
  "$clip_hpc" pack --to clip_benchmark --input greek/train --type retrieval --output wds >log 2>&1 || cat log
  mkdir tars && find wds -name '*.tar' -exec mv {} tars/ \;
}
make_tars
program 'pack, tars in' from_tars "$clip_hpc" pack --from webdataset --input tars --output from_tars \
  --tokenizer greek/train/tokenizer.model
program score scores.h5 "$clip_hpc" score --data greek/train --model $model --output scores.h5
program filter subset.h5 "$clip_hpc" filter --data greek/train --count 100 --seed 3 --output subset.h5
program eval results "$clip_hpc" eval --model $model --data greek/test_letters --task zeroshot --task retrieval \
  --output results
program embed features.h5 "$clip_hpc" embed --model $model --data greek/test_letters --output features.h5
program export exported "$clip_hpc" export --model $model --output exported
program report page "$clip_report" --runs $model --output page
# What is refused is refused, however often: the ways out of a program run through other people's libraries.
for ((i = 0; i < 3 * count; i++)); do
  is_asked_for 'a refused name' || break
  for name in a/b .. ''; do
    "${train[@]}" --set "run.name=$name" >log 2>&1
    code=$?
    if ((code == 2)); then row 'a refused name' 'exit code 2'; else bad 'a refused name' "exit code $code" log; fi
  done
done
# All ranks of an evaluation.
for ((i = 0; i < count; i++)); do
  is_asked_for 'eval, 2 ranks' || break
  rm -rf results_2
  hit "$(between 300 2000)" USR1 mpirun -np 2 --oversubscribe --bind-to none "$clip_hpc" eval --model $model \
    --data greek/test_letters --task zeroshot --task retrieval --output results_2
  case $code in
    0 | 75) row 'eval, 2 ranks' "exit code $code" ;;
    137) # Open MPI's own end can lock up, as in kill.sh
      if grep -qE '^ +Exit code: +75$' log; then
        row 'eval, 2 ranks' 'mpirun locked up when its ranks had gone'
      else
        bad 'eval, 2 ranks' 'not ended after 5 s' log
      fi
      ;;
    *) is_too_early 'eval, 2 ranks' || bad 'eval, 2 ranks' "exit code $code" log ;;
  esac
done
table
check 'no trial went wrong' test "$failures" = 0
finish
