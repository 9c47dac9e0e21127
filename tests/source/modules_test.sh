#!/usr/bin/env bash
# The layout: a room includes only rooms before it, light rooms reach no tensor, MPI or HDF5, data rooms no tensor or MPI, every header has its source.
# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
root=$CLIP_HPC_SOURCE_DIR

# A room may include itself and the rooms before it; study only base, config and run, and of model the one header that
# knows no tensor.
order=(base config run data text comm model loss strategy optim checkpoint eval train)
light=(base config run study)
data=(data text) # without LibTorch and MPI

allowed_rooms() {
  local room
  if [[ $1 == study ]]; then echo base config run study; return; fi
  for room in "${order[@]}"; do
    echo "$room"
    [[ $room != "$1" ]] || return
  done
}

# Prints FILE:LINE: ROOM -> ROOM for every include that points up. Judged by what is found, not by an exit code.
wrong_arrows() { # project folder
  local room file line target
  for room in "${order[@]}" study; do
    allowed=" $(allowed_rooms "$room" | tr '\n' ' ') "
    while IFS=: read -r file line target; do
      target=${target#*clip_hpc/}
      [[ $room/$target != study/model/config.hpp ]] || continue
      [[ $target == */* ]] || continue # a header outside the rooms
      target=${target%%/*}
      [[ $allowed == *" $target "* ]] || echo "${file#"$1"/}:$line: $room -> $target"
    done < <(grep -rnoE '#[[:space:]]*include[[:space:]]*[<"]clip_hpc/[^">]*' "$1/include/clip_hpc/$room" "$1/src/$room" 2>/dev/null)
  done
}

heavy_includes() { # project folder
  local room
  for room in "${light[@]}"; do
    grep -rnE '#[[:space:]]*include[[:space:]]*[<"](ATen|torch|c10|mpi|hdf5|H5|cuda|nccl)' \
      "$1/include/clip_hpc/$room" "$1/src/$room" 2>/dev/null
  done
  for room in "${data[@]}"; do
    grep -rnE '#[[:space:]]*include[[:space:]]*[<"](ATen|torch|c10|mpi|cuda|nccl)' \
      "$1/include/clip_hpc/$room" "$1/src/$room" 2>/dev/null
  done
  grep -nE '#[[:space:]]*include[[:space:]]*[<"](ATen|torch|c10)' "$1"/{include/clip_hpc,src}/model/config.?pp 2>/dev/null
}

# A header is header-only by design when nothing is left to define: templates, inline functions, plain structs and pure
# interfaces. So: a header that declares a function outside of a class must have a source of the same stem.
headers_without_source() { # project folder
  local header stem
  while IFS= read -r header; do
    stem=${header#"$1"/include/clip_hpc/}
    stem=${stem%.hpp}
    [[ ! -e $1/src/$stem.cpp && ! -e $1/src/$stem.cu ]] || continue
    [[ $stem != base/version ]] || continue # cmake/Version.cmake writes its source
    if grep -qE '^([A-Za-z_][A-Za-z0-9_:<>,*& ]*[ *&])[a-z_][a-z0-9_]*\([^{}]*\)( const)?( noexcept)?;' "$header" &&
      ! grep -rqs "include \"clip_hpc/$stem.hpp\"" --include='*.cpp' --include='*.cu' "$1/src/${stem%%/*}"; then
      echo "${header#"$1"/}"
    fi
  done < <(find "$1/include/clip_hpc" -mindepth 2 -name '*.hpp' 2>/dev/null | sort)
}

finds_nothing() { # command...
  local found
  found=$("$@")
  [[ -z $found ]] || { echo "$found"; return 1; }
}
finds() { # text, command...
  local text=$1 found
  shift
  found=$("$@")
  [[ $found == *"$text"* ]] || { echo "expected \"$text\" in: $found"; return 1; }
}

check 'no include points up' finds_nothing wrong_arrows "$root"
check 'light rooms are light' finds_nothing heavy_includes "$root"
check 'every header has its source' finds_nothing headers_without_source "$root"

# The checks themselves: each finds what is planted, and keeps quiet about what is fine.
planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
mkdir -p "$planted"/src/{base,data,study,train} "$planted"/include/clip_hpc/{base,run,model}
echo '#include "clip_hpc/model/arena.hpp"' >"$planted/src/base/up.cpp"
echo '#  include <clip_hpc/comm/world.hpp>' >"$planted/src/data/up.cpp"
echo '#include "clip_hpc/comm/world.hpp"' >"$planted/src/study/up.cpp"
echo '#include "clip_hpc/model/config.hpp"' >"$planted/src/study/down.cpp"
echo '#include "clip_hpc/comm/world.hpp"' >"$planted/src/train/down.cpp"
echo '#include <ATen/ATen.h>' >"$planted/include/clip_hpc/run/heavy.hpp"
echo '#include <mpi.h>' >"$planted/src/data/heavy.cpp"
echo 'int declared_only(int number);' >"$planted/include/clip_hpc/model/lost.hpp"
printf 'struct Plain {\n  int number = 0;\n};\n' >"$planted/include/clip_hpc/model/plain.hpp"
check 'planted: base includes model' finds 'src/base/up.cpp:1: base -> model' wrong_arrows "$planted"
check 'planted: data includes comm' finds 'data -> comm' wrong_arrows "$planted"
check 'planted: study includes comm' finds 'study -> comm' wrong_arrows "$planted"
check 'planted: only these three' test "$(wrong_arrows "$planted" | wc -l)" = 3
check 'planted: a tensor in run' finds 'heavy.hpp' heavy_includes "$planted"
check 'planted: MPI in data' finds 'heavy.cpp' heavy_includes "$planted"
check 'planted: a header without source' finds 'lost.hpp' headers_without_source "$planted"
check 'planted: a plain struct is fine' test "$(headers_without_source "$planted" | wc -l)" = 1

if command -v shellcheck >/dev/null; then
  check 'shellcheck' shellcheck -x -P "$root" "$root"/jobs/*.sh "$root"/jobs/*.slurm "$root/.ci/run" \
    "$root"/tests/*.sh "$root"/tests/*/*.sh
else
  skip shellcheck 'shellcheck is not installed'
fi
finish
