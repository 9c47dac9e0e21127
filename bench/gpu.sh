#!/usr/bin/env bash
# All that this suite measures on one GPU, in one call, with open_clip's step beside ours: the numbers of docs and of
# bench/results. Needs a build with libclip_hpc_cuda.so and, for the peer, the Python of jobs/setup.sh --tests.
#
#   bench/gpu.sh                            writes bench/results/<date>_gpu.jsonl and the tables to the screen
#   SECONDS_A_LINE=5 MODELS="ViT-B-32" OUTPUT=/tmp/x.jsonl bench/gpu.sh
#
# Environment: CLIP_HPC (the program), PYTHON (of the peer; empty: no peer), MODELS, OUTPUT, SECONDS_A_LINE [10],
# LOADER_THREADS [cores - 2].
set -euo pipefail
cd "$(dirname "$0")/.."
program=${CLIP_HPC:-build/release/bin/clip_hpc}
python=${PYTHON-.deps/venv/bin/python3}
models=${MODELS:-ViT-B-32 ViT-B-16 ViT-L-14}
seconds=${SECONDS_A_LINE:-10}
output=${OUTPUT:-bench/results/$(date -u +%F)_gpu.jsonl}
threads=${LOADER_THREADS:-$(($(nproc) > 4 ? $(nproc) - 2 : $(nproc)))}
mkdir -p "$(dirname "$output")"

report=$("$program" doctor 2>&1) || true # what else it finds does not matter here
echo "$report"
if ! grep -q "device 0" <<<"$report"; then
  echo "bench/gpu.sh: no GPU, or a build without libclip_hpc_cuda.so (the lines above say which)" >&2
  exit 5
fi

# A batch that fills the card without leaving it: pairs of the largest batch that published numbers use.
batch_of() {
  case $1 in
    *B-32*) echo 2048 ;;
    *B-16*) echo 1024 ;;
    *) echo 512 ;;
  esac
}

failed=0
line() { # what, command...
  echo "== $1"
  shift
  "$@" || { echo "failed with exit code $?" && failed=$((failed + 1)); }
}

for model in $models; do
  batch=$(batch_of "$model")
  step=("$program" bench step --device cuda --model "configs/models/$model.json" --batch "$batch" --precision bf16
    --seconds "$seconds" --json "$output")
  line "$model, batch $batch" "${step[@]}"
  line "$model, recorded as a graph" "${step[@]}" --cuda-graph
  line "$model, FLIP: half of the patches" "${step[@]}" --mask-ratio 0.5
  line "$model, captions of 17 tokens on average, packed" "${step[@]}" --caption-tokens 17
  line "$model, the same captions, padded to the longest" "${step[@]}" --caption-tokens 17 --pack-captions false
  line "$model, blocks computed again" "${step[@]}" --recompute
  line "$model, micro-batches of an eighth" "${step[@]}" --micro-batch $((batch / 8))
  if [ -n "$python" ] && [ -x "$python" ]; then
    line "$model beside open_clip" "$python" bench/compare_open_clip.py --device cuda --program "$program" \
      --model "configs/models/$model.json" --batch "$batch" --precision bf16 --rounds 1 --seconds "$seconds" --json "$output"
  fi
done
first=${models%% *}
line "pictures read while $first trains" "$program" bench load --threads "$threads" --with-step "configs/models/$first.json" \
  --device cuda --batch "$(batch_of "$first")" --precision bf16 --seconds "$seconds" --json "$output"
line "loss of large global batches" "$program" bench loss --device cuda --json "$output"
line "collectives, NCCL" "$program" bench comm --backend nccl --device cuda --json "$output"
echo "== results in $output; $failed lines failed"
[ "$failed" = 0 ]
