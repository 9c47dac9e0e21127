#!/usr/bin/env bash
# libFuzzer over every reader: mutants that go by what code they reach, with AddressSanitizer and
# UndefinedBehaviorSanitizer. A build of its own, by clang, in build/fuzz; not part of tests/run.sh.
#   tests/campaign/guided.sh [--count SECONDS_PER_READER] [--seed S] [--only READER]
# A finding is what is neither read nor refused; crashes inside libhdf5 are counted apart (docs/security.md). It begins with
# the readers' whole files and fuzz/reached.tar.xz, the fewest files that reached as much at an earlier time; what reaches more
# lies in $CAMPAIGN_CORPUS/READER afterwards, and is read at the next start.
# shellcheck source=tests/campaign/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
if ! command -v clang++ >/dev/null; then
  skip 'guided' 'clang is not installed'
  finish
fi
new_scratch
cd "$CLIP_HPC_SOURCE_DIR" || exit 1
folder=build/fuzz
findings=${CAMPAIGN_FINDINGS:-$scratch/findings} corpus=${CAMPAIGN_CORPUS:-$folder/corpus}
mkdir -p "$findings" "$corpus"
build() {
  cmake -S . -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
    -DCLIP_HPC_TESTS=ON -DCLIP_HPC_CUDA=OFF -DCLIP_HPC_WERROR=OFF -DCLIP_HPC_LIBFUZZER=ON \
    -DCLIP_HPC_SANITIZE=address,undefined,fuzzer-no-link '-DCMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG' &&
    cmake --build "$folder" --target fuzz_guided fuzz_readers
}
check 'it builds' eval "build >'$scratch/build.log' 2>&1 || { tail -n 20 '$scratch/build.log'; false; }"
export OMP_NUM_THREADS=1 TMPDIR=$scratch
export ASAN_OPTIONS=max_allocation_size_mb=4096:allocator_may_return_null=1:detect_leaks=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
guided() { CLIP_HPC_FUZZ_READER=$reader "$folder/bin/fuzz_guided" -timeout=10 -rss_limit_mb=6144 -max_len=65536 "$@"; }
# One that is no crash of libhdf5 when it is read by itself.
is_ours() { # FILE
  timeout 60 "$folder/bin/fuzz_readers" "$reader" --file "$1" --scratch "$scratch/one" >"$scratch/one.log" 2>&1
  (($? == 66)) && return 1
  # clang's AddressSanitizer is part of the program, and its memcpy looks like the program's own.
  [[ $(grep -E '^ +#[0-9]+ ' "$scratch/one.log" | grep -vE '__asan|__interceptor|sysdeps|libc\.so' | head -n1) != *libhdf5* ]]
}

mkdir "$scratch/reached"
tar -xf tests/campaign/fuzz/reached.tar.xz -C "$scratch/reached"
mapfile -t readers < <("$folder/bin/fuzz_readers" --list)
check 'there are readers' test "${#readers[@]}" -gt 15
for reader in "${readers[@]}"; do
  [[ -z $only || $only == "$reader" ]] || continue
  kept=$corpus/$reader seeds=$scratch/seeds/$reader log=$scratch/$reader.log
  mkdir -p "$kept" "$seeds" "$scratch/$reader"
  CLIP_HPC_FUZZ_SEEDS=$seeds guided -runs=0 >"$log" 2>&1
  cp tests/campaign/fuzz/corpus/"$reader"/* "$scratch/reached/$reader"/* "$seeds" 2>/dev/null
  guided -fork=1 -ignore_crashes=1 -ignore_timeouts=1 -ignore_ooms=1 -seed="$seed" -max_total_time="$count" \
    -artifact_prefix="$scratch/$reader/" "$kept" "$seeds" >>"$log" 2>&1
  ours=0 in_hdf5=0
  for file in "$scratch/$reader"/*; do
    [[ -e $file ]] || continue
    if is_ours "$file"; then
      ours=$((ours + 1))
      cp "$file" "$findings/${reader}_$(basename "$file")"
      tail -n 3 "$scratch/one.log"
    else
      in_hdf5=$((in_hdf5 + 1))
    fi
  done
  mkdir -p "$scratch/fewest"
  rm -f "$scratch"/fewest/*
  guided -merge=1 "$scratch/fewest" "$kept" "$seeds" >"$scratch/merge.log" 2>&1 && cp "$scratch"/fewest/* "$kept"
  # of the last line of the fork mode: "#RUNS: cov: EDGES ft: FEATURES corp: FILES exec/s ..."
  row=$(grep -oE '^#[0-9]+: cov: [0-9]+' "$log" | tail -n 1)
  printf '%-14s %9s files, %7s places in code, %5s files kept, %s in libhdf5, %s findings\n' "$reader" \
    "$(grep -oE '^#[0-9]+' <<<"$row" | tr -d '#')" "${row##* }" "$(find "$kept" -type f | wc -l)" "$in_hdf5" "$ours"
  check "$reader" test "$ours" = 0
done
finish
