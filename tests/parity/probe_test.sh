#!/usr/bin/env bash
# Linear probes are their peers': scikit-learn's logistic regression, torch.optim.SGD, CLIP_benchmark's AdamW and its
# search, on scikit-learn's digits and on features of the built-in letters.
# shellcheck source=tests/parity/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
dump=$CLIP_HPC_BINARY_DIR/bin/eval_dump
[ -x "$dump" ] || skip_all "$dump was not built"
"$python" -c 'import sklearn' 2>/dev/null || skip_all "scikit-learn is not there: jobs/setup.sh --tests installs it"
new_scratch
equals() { against probe_parity.py "$dump" "$@" >"$scratch/answers" 2>&1 || { cat "$scratch/answers"; return 1; }; }

# Features of letters by a small model, as clip_hpc eval keeps them.
letters_of_a_model() {
  make_tiny "$scratch" &&
    says 0 'training done' "$clip_hpc" --config "$scratch/tiny.cfg" --run-dir "$scratch/run" --set train.samples=6400 &&
    says 0 'linear probe, lbfgs pooled' "$clip_hpc" eval --model "$scratch/run" --task linear_probe --probe lbfgs \
      --set eval.probe_c=1 --train-data "$scratch/greek/train" --data "$scratch/greek/test_faces" &&
    "$dump" features "$scratch/run/features" "$scratch/greek/train" "$scratch/train.safetensors" &&
    "$dump" features "$scratch/run/features" "$scratch/greek/test_faces" "$scratch/test.safetensors"
}
check 'letters: features' letters_of_a_model
letters=("$scratch/train.safetensors" "$scratch/test.safetensors")

check 'digits: lbfgs is LogisticRegression' equals lbfgs
check 'letters: lbfgs is LogisticRegression' equals lbfgs "${letters[@]}"
check 'digits: sgd is torch.optim.SGD' equals sgd
check 'letters: sgd is torch.optim.SGD' equals sgd "${letters[@]}"
if "$python" -c 'import clip_benchmark.metrics.linear_probe' 2>/dev/null; then
  check 'digits: adamw is CLIP_benchmark' equals adamw
  check 'letters: adamw is CLIP_benchmark' equals adamw "${letters[@]}"
  check 'digits: the search is CLIP_benchmark' equals clip_benchmark
  check 'noisy digits: the search is CLIP_benchmark' equals clip_benchmark noisy
  check 'letters: the search is CLIP_benchmark' equals clip_benchmark "${letters[@]}"
else
  skip 'CLIP_benchmark' 'clip_benchmark is not there: jobs/setup.sh --tests installs it'
fi
finish
