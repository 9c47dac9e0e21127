# shellcheck shell=bash
# Sourced by the campaigns: --count N, --seed S and --only PROGRAM of the command line, as $count, $seed and $only.
# shellcheck disable=SC2034 # for who sources this
count=${CAMPAIGN_COUNT:-4} seed=${CAMPAIGN_SEED:-1} only=''
while (($#)); do
  case $1 in
    --count) count=$2 ;;
    --seed) seed=$2 ;;
    --only) only=$2 ;; # one program of signals.sh
    *) echo "usage: $(basename "$0") [--count N] [--seed S] [--only PROGRAM]" >&2; exit 2 ;;
  esac
  shift 2
done
RANDOM=$seed
