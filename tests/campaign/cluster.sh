#!/usr/bin/env bash
# Training on a virtual Slurm cluster of three nodes, each trial with one trouble at a random moment: a node that is lost,
# a rank that is suspended for good or for a while, links that become slow. The job completes by itself, with the weights
# of a run that nobody disturbed; a suspended rank is named by the others. Four clusters at a time.
#   tests/campaign/cluster.sh [--count N] [--seed S]
# shellcheck source=tests/slurm/job_scenarios.sh
source "$(dirname "${BASH_SOURCE[0]}")/../slurm/job_scenarios.sh"

# --- inside a cluster ------------------------------------------------------------------------------------------------
starts() { # NAME: submitted, and past a random step
  submit "$1" || { outcome failed "$1: sbatch"; return 1; }
  expect "$1: starts" wait_for has_checkpoint
  sleep "0.$((RANDOM % 10))"
}
a_rank() { # the process of some rank, as its node sees it
  pgrep -f -- "--run-dir $run" | while read -r pid; do
    [[ $(readlink "/proc/$pid/exe") == */clip_hpc ]] && echo "$pid"
  done | sort -R --random-source=<(yes "$RANDOM") | head -n1
}
rank_of() { tr '\0' '\n' <"/proc/$1/environ" | sed -n 's/^SLURM_PROCID=//p'; }
names_it() { grep -qE "rank $name on n[0-9].* left no word" "$log"; }
suspended() { # for longer than comm.timeout_s
  starts "$1" || return
  local rank name
  rank=$(a_rank) name=$(rank_of "$rank")
  kill -STOP "$rank"
  expect "$1: ends without it" wait_for runs_again
  expect "$1: names it" names_it
  kill -KILL "$rank" 2>/dev/null
  finishes "$1"
}
paused() { # for a while
  starts "$1" || return
  local rank
  rank=$(a_rank)
  kill -STOP "$rank"
  sleep 3
  kill -CONT "$rank"
  finishes "$1" once
}
slow_link() {
  starts "$1" || return
  local file node
  for file in "$CLUSTER_DIR"/run/node*.pid; do
    node=$(pgrep -P "$(cat "$file")" | head -n1)
    nsenter -t "$node" -n tc qdisc add dev eth0 root tbf rate 10mbit burst 32kbit latency 400ms ||
      outcome failed "$1: the links are not slowed down"
  done
  finishes "$1" once
}
if [[ ${1:-} == inside ]]; then
  RANDOM=$4
  "$2" "$3"
  exit 0
fi

# --- outside ---------------------------------------------------------------------------------------------------------
# shellcheck source=tests/campaign/arguments.sh
source "$(dirname "${BASH_SOURCE[0]}")/../campaign/arguments.sh"
make_scratch
LAST_STEP=120 make_run
export SETTINGS="$SETTINGS comm.timeout_s=10"
declare -A good=()
for ((trial = 0; trial < count; trial++)); do
  before=$failed scenarios=()
  for kind in node_loss suspended paused slow_link; do
    TROUBLE_SEED=$((seed * 1000 + trial)) in_cluster $kind "${kind}_$trial" 3 job
  done
  judge
  ((failed > before)) || good[all]=$((${good[all]:-0} + 1))
done
wrong_counts=$(find "$SCRATCH" -maxdepth 1 -name '*.reconfigured' | wc -l)
echo "seed $seed: a lost node, a suspended rank, a paused rank, slow links: $count times each, ${good[all]:-0} rounds without a fault; in $wrong_counts Slurm lost count of its GPUs"
finish
