#!/usr/bin/env bash
# The unit tests with sanitizers, and the ends of programs with them and under valgrind. Each kind is a build of its own,
# which takes minutes; not part of tests/run.sh.
#   tests/campaign/sanitizers.sh [address] [thread] [valgrind]      all three when none is named
#   address   AddressSanitizer and UndefinedBehaviorSanitizer: the whole label unit, the ways in which a program ends, on
#             1 and 2 ranks, and 1,000 damaged files per reader
#   thread    ThreadSanitizer: loader, checkpoint writer, lease, stop signals, watchdog, batch feed
#   valgrind  memcheck over the ways in which a program ends: help, refusals, a stop, the end of a run
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
cd "$CLIP_HPC_SOURCE_DIR" || exit 1
new_scratch
kinds=("$@")
((${#kinds[@]})) || kinds=(address thread valgrind)
export OMP_NUM_THREADS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

build() { # FOLDER SANITIZERS TARGETS...
  local folder=$1 sanitizers=$2
  shift 2
  if ! cmake --preset release -B "$folder" -DCLIP_HPC_TESTS=ON -DCLIP_HPC_CUDA=OFF "-DCLIP_HPC_SANITIZE=$sanitizers" \
    "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG" \
    >"$scratch/build.log" || ! cmake --build "$folder" --target "$@" >"$scratch/build.log"; then
    tail -n 20 "$scratch/build.log"
    return 1
  fi
}
complaint='runtime error|ERROR: AddressSanitizer|WARNING: ThreadSanitizer'
runs() { # NAME COMMAND...: ends with 0 and says nothing of a sanitizer
  local name=$1 code
  shift
  "$@" >"$scratch/log" 2>&1
  code=$?
  ((code == 0)) && ! grep -qE "$complaint" "$scratch/log" && return 0
  grep -nE -A 12 "$complaint|Failure" "$scratch/log" | head -n 40
  echo "$name: exit code $code"
  return 1
}
# The ways in which a program ends, each a check.
exits() { # NAME FOLDER_OF_PROGRAMS RANKS WORDS...: run under these words
  local kind=$1 bin=$2 ranks=$3 place=$scratch/$1 under
  shift 3
  under=("$@")
  [[ -e $scratch/tiny.cfg ]] || make_tiny "$scratch" || exit 1
  mkdir "$place"
  ends() { # NAME CODE COMMAND...
    local name=$1 wanted=$2 code
    shift 2
    (cd "$place" && "${under[@]}" "$@") >"$scratch/log" 2>&1
    code=$?
    if ((code != wanted)) || grep -qE "$complaint" "$scratch/log"; then
      grep -E "^==|$complaint" "$scratch/log" | head -n 30
      tail -n 3 "$scratch/log"
      code="$code, or a complaint"
    fi
    check "$kind: $name (exit code $wanted)" test "$code" = "$wanted"
  }
  ends 'help' 0 "$bin/clip_hpc" --help
  ends 'an unknown key' 2 "$bin/clip_hpc" --config ../tiny.cfg --set train.nothing=1
  ends 'a refused name' 2 "$bin/clip_hpc" --config ../tiny.cfg --set run.name=a/b
  ends 'a set that is not there' 3 "$bin/clip_hpc" --config ../tiny.cfg --set data.train=nowhere --run-dir nowhere_run
  ends 'a run to its end' 0 "$bin/clip_hpc" --config ../tiny.cfg --set train.samples=256 --run-dir whole
  ends 'the same again' 0 "$bin/clip_hpc" --config ../tiny.cfg --set train.samples=256 --run-dir whole
  ends 'evaluation' 0 "$bin/clip_hpc" eval --model whole --data ../greek/test_letters --output results
  if ((ranks == 1)); then
    ends 'a plan' 2 "$bin/clip_study" plan --grid nowhere.cfg
    ends 'a report' 0 "$bin/clip_report" --runs whole --output page
  fi
  under=(timeout --preserve-status -s USR1 60 "$@")
  ends 'a stop' 75 "$bin/clip_hpc" --config ../tiny.cfg --set train.samples=100000000 --run-dir stopped
}
units=(base config run study data text ops model strategy optim checkpoint eval train bench postprocess)

for kind in "${kinds[@]}"; do
  case $kind in
    address)
      # Leaks are not looked for: LibTorch and Open MPI keep what they have until the end.
      export ASAN_OPTIONS=detect_leaks=0:max_allocation_size_mb=8192:allocator_may_return_null=0
      export UBSAN_OPTIONS=print_stacktrace=1
      folder=build/address
      check 'address: it builds' build "$folder" address,undefined "${units[@]/%/_tests}" clip_hpc clip_report clip_study fuzz_readers
      for unit in "${units[@]}"; do
        [[ -x $folder/bin/${unit}_tests ]] || continue
        check "address: $unit" runs "$unit" env CLIP_HPC_BINARY_DIR="$PWD/$folder" "$folder/bin/${unit}_tests"
      done
      exits address "$PWD/$folder/bin" 1 env
      exits 'address, 2 ranks' "$PWD/$folder/bin" 2 mpirun -np 2 --oversubscribe --bind-to none
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
      exits valgrind "$CLIP_HPC_BINARY_DIR/bin" 1 valgrind -q --error-exitcode=99 \
        --suppressions=/usr/share/openmpi/openmpi-valgrind.supp \
        --suppressions="$CLIP_HPC_SOURCE_DIR/tests/campaign/valgrind.supp"
      ;;
    *) echo "sanitizers.sh: $kind is not address, thread or valgrind" >&2; exit 2 ;;
  esac
done
finish
