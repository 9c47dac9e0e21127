#!/usr/bin/env bash
# Few-shot regression gives NumPy's heads: on digits and on wide features, in both forms, for all shots and seeds.
# shellcheck source=tests/parity/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
dump=$CLIP_HPC_BINARY_DIR/bin/eval_dump
[ -x "$dump" ] || skip_all "$dump was not built"
"$python" -c 'import sklearn' 2>/dev/null || skip_all "scikit-learn is not there: jobs/setup.sh --tests installs it"
new_scratch
against fewshot_parity.py "$dump" >"$scratch/answers" 2>&1
grep -v ': equal,' "$scratch/answers"
for set in digits wide; do
  for shots in 1 5 10 25; do
    for seed in 0 1 2; do
      check "$set, $shots shots, seed $seed" grep -q "^$set, $shots shots, seed $seed: equal," "$scratch/answers"
    done
  done
done
finish
