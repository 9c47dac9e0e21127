#!/usr/bin/env bash
# All campaigns at full size, one table each. Takes hours; run it at night, on the programs that are built.
#   tests/campaign/nightly.sh [SEED]
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
seed=${1:-$(date +%j)}
failed=0
run() { # SCRIPT COUNT
  echo "== $1, $2 trials"
  bash "$1.sh" --count "$2" --seed "$seed" || failed=$((failed + 1))
}
run kill 1000
run files 1000
run storage 1000
run signals 200
run fuzz 10000
run cluster 20
run guided 600
echo "== sanitizers"
bash sanitizers.sh || failed=$((failed + 1))
echo "$failed campaigns with a trial that went wrong"
((failed == 0))
