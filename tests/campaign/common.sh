# shellcheck shell=bash
# Sourced by the campaigns: many random trials of one kind of trouble, and a table of what came of them.
#   SCRIPT --count N --seed S
# What is to be tried comes out of the seed alone; the moment at which it hits depends on the machine. The last lines are
# the table; a row of trouble that nobody may have (a wrong exit code, other weights, a step lost) is a failure.
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
# shellcheck source=tests/campaign/arguments.sh
source "$(dirname "${BASH_SOURCE[0]}")/arguments.sh"

declare -A tally=()
row() { # WHAT OUTCOME: one trial
  tally["$1|$2"]=$((${tally["$1|$2"]:-0} + 1))
}
table() {
  local key
  echo "seed $seed, $count trials of each"
  for key in "${!tally[@]}"; do printf '%-28s %-44s %6d\n' "${key%%|*}" "${key#*|}" "${tally[$key]}"; done | sort
}
trap 'table; exit 75' INT TERM # stopped early, a campaign says what it has
between() { # LOW HIGH, in ms: a random number of seconds
  local ms=$(($1 + RANDOM * ($2 - $1) / 32768))
  printf '%d.%03d' $((ms / 1000)) $((ms % 1000))
}
pick() { # one of the words
  local words=("$@")
  echo "${words[RANDOM % ${#words[@]}]}"
}
# The content of files and folders, whatever their names are below it.
content_of() { # PATH
  # A report says when it was written.
  if [[ -d $1 ]]; then
    (cd "$1" && find . -type f -print0 | sort -z | while IFS= read -rd '' file; do
      echo "$file $(sed -E 's/written 20[0-9T:-]+Z//' "$file" | sha256sum)"
    done)
  else
    sha256sum <"$1"
  fi
}
