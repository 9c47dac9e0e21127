#!/usr/bin/env bash
# A process that dies at a file operation: rank 0 or another, at the n-th operation of a training run, with n from the
# first to the last. The next start continues from a whole checkpoint and ends with the bits of an undisturbed run.
# shellcheck source=tests/campaign/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/campaign/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
for ((i = 0; i < count; i++)); do
  ranks=$(pick 1 1 2 4)
  at=$((1 + i * ${operations[$ranks]} / count)) # spread over all of them
  trial "death, $ranks ranks" die "$ranks" 1 "$at"
done
table
check 'no trial went wrong' test "$failures" = 0
finish
