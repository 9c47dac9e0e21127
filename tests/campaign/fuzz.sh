#!/usr/bin/env bash
# Damaged files for every reader: N mutants of each of its files. A reader reads or refuses with a reason; anything else
# (a crash, another exception, ten seconds, gigabytes) is a finding, and its file is kept.
#   tests/campaign/fuzz.sh [--count N] [--seed S]
# With -DCLIP_HPC_SANITIZE=address,undefined in CLIP_HPC_BINARY_DIR the same, and out-of-bounds reads are seen.
# shellcheck source=tests/campaign/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
cd "$CLIP_HPC_SOURCE_DIR" || exit 1 # grids name models below it
program=$CLIP_HPC_BINARY_DIR/bin/fuzz_readers
export OMP_NUM_THREADS=1
export ASAN_OPTIONS=max_allocation_size_mb=4096:allocator_may_return_null=1:detect_leaks=0 # of malloc, as HDF5 expects; not of new
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
mutants=$((count * 50)) # cheap ones
if ((count >= 1000)); then mutants=$count; fi
findings=${CAMPAIGN_FINDINGS:-$scratch/findings}
mapfile -t readers < <("$program" --list)
check 'there are readers' test "${#readers[@]}" -gt 15
for reader in "${readers[@]}"; do
  "$program" "$reader" --count "$mutants" --seed "$seed" --corpus "$CLIP_HPC_SOURCE_DIR/tests/campaign/fuzz/corpus" \
    --scratch "$scratch/$reader" --findings "$findings" 2>"$scratch/$reader.log"
  code=$?
  ((code == 0)) || tail -n 20 "$scratch/$reader.log"
  check "$reader" test "$code" = 0
done
finish
