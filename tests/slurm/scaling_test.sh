#!/usr/bin/env bash
# clip_study scaling on a virtual cluster whose links are slow: one job a size, left alone once it is complete; and the
# model of clip_report --scaling, fitted without the largest size, tells that size. How well it does is a measurement
# (bench/results; the fit itself is tested on made-up numbers), so nothing is asked of it here. Links are so slow that they
# decide and not the two processors that all nodes share; sizes run one after the other for the same reason.
#   SIZES="1 2 4 8 16" RATE=50mbit KEEP_RESULTS=FOLDER tests/slurm/scaling_test.sh    keeps lines and page in FOLDER
# shellcheck source=tests/slurm/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
patience=400
sizes=${SIZES:-1 2 4 8}
rate=${RATE:-50mbit}
study_program=$CLIP_HPC_BINARY_DIR/bin/clip_study
report_program=$CLIP_HPC_BINARY_DIR/bin/clip_report

told() { # weak or strong: what it missed by, in percent, for the step and for its gradients
  grep -qE "^held out, $1 on $largest ranks: .* ms, [+-][0-9.]+ %; gradients alone .* ms, [+-][0-9.]+ %$" "$SCRATCH/report"
}

# --- inside the cluster ----------------------------------------------------------------------------------------------
limit_links() {
  local file node
  for file in "$CLUSTER_DIR"/run/node*.pid; do
    node=$(pgrep -P "$(cat "$file")" | head -n1)
    nsenter -t "$node" -n tc qdisc add dev eth0 root tbf rate "$rate" burst 32kbit latency 400ms || return 1
  done
}
queue_is_empty() { [[ -z $(squeue -h) ]]; }
scale() { # nodes
  "$study_program" scaling --nodes "$1" --ranks-per-node 1 --model configs/models/tiny.json --batch 4 --global-batch 32 \
    --seconds "${SECONDS_EACH:-2}" --max-mib "${MAX_MIB:-0.3}" --output "$SCRATCH/scaling"
}
says() { # text, command...
  local text=$1 output
  shift
  output=$("$@" 2>&1)
  [[ $output == *"$text"* ]] || { echo "expected \"$text\" in: $output"; return 1; }
}
inside() {
  cd "$CLIP_HPC_SOURCE_DIR" || exit 1
  expect 'links are slowed down' limit_links
  local size
  for size in $sizes; do
    expect "$size nodes are submitted" says "n${size}x1: $size ranks on $size nodes, job" scale "$size"
    [[ $size != 2 ]] || expect 'what is queued is left alone' says 'nothing is missing' scale "$size"
    expect "$size nodes end" wait_for queue_is_empty
    expect "$size nodes are complete" test -s "$SCRATCH/scaling/n${size}x1.jsonl"
  done
  expect 'what is complete is left alone' says 'nothing is missing' scale "${sizes##* }"
  if grep -q '^failed' "$OUTCOME" || [[ ${KEEP:-} ]]; then tail -n 40 "$SCRATCH"/scaling/log/*; fi
}
if [[ ${1:-} == inside ]]; then
  inside
  exit 0
fi

# --- outside ---------------------------------------------------------------------------------------------------------
command -v tc >/dev/null || skip_all 'needs tc (package iproute2) to slow links down'
make_scratch
export OUTCOME=$SCRATCH/outcome CLIP_HPC_BUILD=$CLIP_HPC_BINARY_DIR OMP_NUM_THREADS=1 SIZES=$sizes RATE=$rate
largest=${sizes##* }
timeout -s KILL "${CLUSTER_S:-800}" "$CLIP_HPC_SOURCE_DIR/tests/slurm/vcluster.sh" "$SCRATCH/c" "$largest" bash "$0" inside \
  >"$SCRATCH/out" 2>&1
judge_cluster "$OUTCOME" "$SCRATCH/out"
"$report_program" --scaling "$SCRATCH/scaling" --predict-ranks $((2 * largest)) --output "$SCRATCH/page.html" \
  >"$SCRATCH/report" 2>&1
cat "$SCRATCH/report"
check 'the report is written' test -s "$SCRATCH/page.html"
check 'every rank is in it' test "$(grep -c "^weak,$largest,$largest," "$SCRATCH/page_data/ranks.csv")" = "$largest"
check 'a host for each' test "$(grep "^weak,$largest," "$SCRATCH/page_data/ranks.csv" | cut -d, -f5 | sort -u | wc -l)" = "$largest"
check 'the slowest rank has a name' grep -qE "^ +$largest +$largest .* on n[0-9]+, " "$SCRATCH/report"
check 'a larger size is told' grep -q "^predicted, weak on $((2 * largest)) ranks" "$SCRATCH/report"
for way in weak strong; do check "the largest size is told from the others, $way" told $way; done
if [[ ${KEEP_RESULTS:-} ]]; then
  mkdir -p "$KEEP_RESULTS"
  cp -r "$SCRATCH"/scaling/*.json* "$SCRATCH"/page.html "$SCRATCH"/page_data "$SCRATCH/report" "$KEEP_RESULTS"
fi
finish
