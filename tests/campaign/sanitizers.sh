#!/usr/bin/env bash
# The unit tests with sanitizers, and the ends of programs under valgrind. Each kind is a build of its own, which takes
# minutes; not part of tests/run.sh.
#   tests/campaign/sanitizers.sh [address] [thread] [valgrind]      all three when none is named
#   address   AddressSanitizer and UndefinedBehaviorSanitizer: the whole label unit, and 1,000 damaged files per reader
#   thread    ThreadSanitizer: loader, checkpoint writer, lease, stop signals, watchdog, batch feed
#   valgrind  memcheck over the ways in which a program ends: help, refusals, a stop, the end of a run
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
cd "$CLIP_HPC_SOURCE_DIR" || exit 1
new_scratch
clip_study=$CLIP_HPC_BINARY_DIR/bin/clip_study
kinds=("$@")
((${#kinds[@]})) || kinds=(address thread valgrind)
export OMP_NUM_THREADS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

build() { # FOLDER SANITIZERS TARGETS...
  local folder=$1 sanitizers=$2
  shift 2
  if ! cmake --preset release -B "$folder" -DCLIP_HPC_TESTS=ON -DCLIP_HPC_CUDA=OFF "-DCLIP_HPC_SANITIZE=$sanitizers" \
    >"$scratch/build.log" || ! cmake --build "$folder" --target "$@" >"$scratch/build.log"; then
    tail -n 20 "$scratch/build.log"
    return 1
  fi
}
runs() { # NAME COMMAND...: ends with 0 and says nothing of a sanitizer
  local name=$1 code
  shift
  "$@" >"$scratch/log" 2>&1
  code=$?
  ((code == 0)) && ! grep -qE 'runtime error|ERROR: AddressSanitizer|WARNING: ThreadSanitizer' "$scratch/log" && return 0
  grep -nE -A 12 'runtime error|ERROR: AddressSanitizer|WARNING: ThreadSanitizer|Failure' "$scratch/log" | head -n 40
  echo "$name: exit code $code"
  return 1
}
units=(base config run study data text device comm ops model loss strategy optim checkpoint eval train bench postprocess)

for kind in "${kinds[@]}"; do
  case $kind in
    address)
      # Leaks are not looked for: LibTorch and Open MPI keep what they have until the end.
      export ASAN_OPTIONS=detect_leaks=0:max_allocation_size_mb=8192:allocator_may_return_null=0
      export UBSAN_OPTIONS=print_stacktrace=1
      folder=build/address
      check 'address: it builds' build "$folder" address,undefined all
      for unit in "${units[@]}"; do
        [[ -x $folder/bin/${unit}_tests ]] || continue
        check "address: $unit" runs "$unit" env CLIP_HPC_BINARY_DIR="$PWD/$folder" "$folder/bin/${unit}_tests"
      done
      check 'address: damaged files' runs fuzz env CLIP_HPC_BINARY_DIR="$PWD/$folder" bash tests/campaign/fuzz.sh --count 1000
      ;;
    thread)
      # What is not instrumented (LibTorch, OpenMP, Open MPI, HDF5) synchronises in ways that are not seen.
      printf 'called_from_lib:%s\n' libtorch_cpu.so libc10.so libgomp libmpi.so libopen-pal.so libhdf5 >"$scratch/suppressions"
      export TSAN_OPTIONS="suppressions=$scratch/suppressions:halt_on_error=0"
      folder=build/thread
      check 'thread: it builds' build "$folder" thread base_tests data_tests checkpoint_tests train_tests
      check 'thread: loader' runs loader "$folder/bin/data_tests" --gtest_filter='Loader*'
      check 'thread: signals, leases, deadlines' runs base "$folder/bin/base_tests" --gtest_filter='Lease*:*Signal*:Deadline*:*Stack*'
      check 'thread: checkpoints' runs checkpoint "$folder/bin/checkpoint_tests"
      check 'thread: watchdog, feed' runs train "$folder/bin/train_tests"
      ;;
    valgrind)
      command -v valgrind >/dev/null || { skip valgrind 'valgrind is not installed'; continue; }
      make_tiny "$scratch" || exit 1
      grind=(valgrind -q --error-exitcode=99 --suppressions=/usr/share/openmpi/openmpi-valgrind.supp)
      ends() { # NAME CODE COMMAND...
        local name=$1 wanted=$2 code
        shift 2
        (cd "$scratch" && "${grind[@]}" "$@") >"$scratch/log" 2>&1
        code=$?
        ((code == wanted)) || { grep '^==' "$scratch/log" | head -n 30; tail -n 3 "$scratch/log"; }
        check "valgrind: $name (exit code $code)" test "$code" = "$wanted"
      }
      ends 'help' 0 "$clip_hpc" --help
      ends 'an unknown key' 2 "$clip_hpc" --config tiny.cfg --set train.nothing=1
      ends 'a set that is not there' 3 "$clip_hpc" --config tiny.cfg --set data.train=nowhere --run-dir nowhere_run
      ends 'a run to its end' 0 "$clip_hpc" --config tiny.cfg --set train.samples=256 --run-dir whole
      ends 'the same again' 0 "$clip_hpc" --config tiny.cfg --set train.samples=256 --run-dir whole
      ends 'a stop' 75 timeout --preserve-status -s USR1 60 "$clip_hpc" --config tiny.cfg --set train.samples=100000000 --run-dir stopped
      ends 'evaluation' 0 "$clip_hpc" eval --model whole --data greek/test_letters --output results
      ends 'a plan' 2 "$clip_study" plan --grid nowhere.cfg
      ends 'a report' 0 "$clip_report" --runs whole --output page
      ;;
    *) echo "sanitizers.sh: $kind is not address, thread or valgrind" >&2; exit 2 ;;
  esac
done
finish
