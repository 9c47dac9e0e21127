#!/usr/bin/env bash
# The layout: order of modules, forms of includes, tables whose rows do not know each other, unique stems, sizes.
# tests/source/layout.py has the rules; each is also shown to find what is planted.
# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
command -v python3 >/dev/null || skip_all 'python3 is not installed'
root=$CLIP_HPC_SOURCE_DIR
rule() { python3 "$root/tests/source/layout.py" "$@"; }
finds() { # rule, text: the planted breach is told, and nothing else of that rule
  local found
  found=$(rule "$1" "$planted")
  [[ $found == *"$2"* && $(wc -l <<<"$found") == "${3:-1}" ]] || { echo "expected \"$2\" alone in: $found"; return 1; }
}

check 'no include points up, light modules are light' rule order "$root"
check 'includes say where they stand' rule includes "$root"
check 'rows of a table do not know each other' rule siblings "$root"
check 'a stem stands once' rule stems "$root"
check 'a type of a shared namespace is defined once' rule types "$root"
check 'every header has its source' rule sources "$root"
check 'no function over 80 lines, no file over 400' rule limits "$root"

# The rules themselves: each finds what is planted, and keeps quiet about what is fine.
planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
mkdir -p "$planted"/src/{base,data,study,train,optim/optimizers} "$planted"/include/clip_hpc/{base,run,model} "$planted/postprocess/fit"
echo '#include "clip_hpc/comm/world.hpp"' >"$planted/src/train/down.cpp"
check 'a module below is fine' rule order "$planted"
echo '#include "clip_hpc/model/clip_model.hpp"' >"$planted/src/base/up.cpp"
check 'planted: base includes model' finds order 'src/base/up.cpp:1: base -> model'
rm -f "$planted/src/base/up.cpp"
echo '#include "clip_hpc/comm/world.hpp"' >"$planted/src/study/up.cpp"
check 'planted: study includes comm' finds order 'study -> comm'
echo '#include "clip_hpc/model/model_file.hpp"' >"$planted/postprocess/fit/up.cpp"
rm -f "$planted/src/study/up.cpp"
check 'planted: the report includes model' finds order 'postprocess -> model'
echo '#include <mpi.h>' >"$planted/src/data/heavy.cpp"
rm -f "$planted/postprocess/fit/up.cpp"
check 'planted: MPI in data' finds order 'data is light, mpi.h is not'
echo '#include <ATen/ATen.h>' >"$planted/include/clip_hpc/run/heavy.hpp"
rm -f "$planted/src/data/heavy.cpp"
check 'planted: a tensor in run' finds order 'run is light'
rm -f "$planted/include/clip_hpc/run/heavy.hpp"

echo '#include "ops/sgemm.hpp"' >"$planted/src/train/private.cpp"
check 'planted: a private header of another module' finds includes 'private to ops'
echo '#include "train/own.hpp"' >"$planted/src/train/private.cpp"
check 'a private header of the own module is fine' rule includes "$planted"
echo '#include "../train/own.hpp"' >"$planted/src/train/private.cpp"
check 'planted: a way up' finds includes 'does not say where it stands'
echo '#include "own.hpp"' >"$planted/src/train/private.cpp"
check 'planted: a bare name' finds includes '"own.hpp" does not say'
rm -f "$planted/src/train/private.cpp"

echo '#include "clip_hpc/optim/optimizers/lion.hpp"' >"$planted/src/optim/optimizers/adamw.cpp"
check 'planted: an optimizer knows another' finds siblings 'adamw knows its sibling lion'
echo '#include "clip_hpc/optim/optimizers/adamw.hpp"' >"$planted/src/optim/optimizers/adamw.cpp"
check 'its own header is fine' rule siblings "$planted"

touch "$planted/src/train/words.cpp" "$planted/src/data/words.cpp"
check 'planted: a stem twice' finds stems 'words: data/words, train/words'
rm "$planted/src/data/words.cpp"

printf 'namespace clip_hpc {\nstruct Slice {\n};\n}\n' | tee "$planted/src/train/words.cpp" >"$planted/src/data/deeds.cpp"
check 'planted: a type twice' finds types 'clip_hpc::Slice: src/data/deeds.cpp, src/train/words.cpp'
printf 'namespace clip_hpc {\nnamespace {\nstruct Slice {\n};\n}\n}\n' >"$planted/src/data/deeds.cpp"
check 'one of a file alone is fine' rule types "$planted"
rm "$planted/src/data/deeds.cpp"

echo 'int declared_only(int number);' >"$planted/include/clip_hpc/model/lost.hpp"
printf 'struct Plain {\n  int number = 0;\n};\n' >"$planted/include/clip_hpc/model/plain.hpp"
check 'planted: a header without source' finds sources 'lost.hpp'
rm "$planted/include/clip_hpc/model/lost.hpp"

{ echo 'int long_one() {'; for _ in {1..80}; do echo '  f();'; done; echo '}'; } >"$planted/src/train/long.cpp"
check 'planted: a function of 82 lines' finds limits '82 lines, more than 80: int long_one() {'
{ echo 'const char* text() {'; echo '  return R"('; for _ in {1..90}; do echo 'line'; done; echo ')";'; echo '}'; } >"$planted/src/train/long.cpp"
check 'a long text is fine' rule limits "$planted"
for _ in {1..401}; do echo '// line'; done >"$planted/src/train/long.cpp"
check 'planted: a file of 401 lines' finds limits '401 lines, more than 400'

if command -v shellcheck >/dev/null; then
  check 'shellcheck' shellcheck -x -P "$root" "$root"/jobs/*.sh "$root"/jobs/*.slurm "$root"/jobs/paper/*.slurm "$root/.ci/run" \
    "$root"/tests/*.sh "$root"/tests/*/*.sh
else
  skip shellcheck 'shellcheck is not installed'
fi
finish
