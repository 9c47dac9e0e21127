# shellcheck shell=bash
# Sourced by the campaigns: --count N and --seed S of the command line, as $count and $seed.
# shellcheck disable=SC2034 # for who sources this
count=${CAMPAIGN_COUNT:-4} seed=${CAMPAIGN_SEED:-1}
while (($#)); do
  case $1 in
    --count) count=$2 ;;
    --seed) seed=$2 ;;
    *) echo "usage: $(basename "$0") [--count N] [--seed S]" >&2; exit 2 ;;
  esac
  shift 2
done
RANDOM=$seed
