#!/usr/bin/env bash
# `cmake --install` gives a tree that can be moved: programs, job scripts and configurations work from it alone.
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
check 'cmake --install' says 0 '' cmake --install "$CLIP_HPC_BINARY_DIR" --prefix "$scratch/first"
mkdir "$scratch/elsewhere" && mv "$scratch/first" "$scratch/elsewhere/moved"
prefix=$scratch/elsewhere/moved share=$scratch/elsewhere/moved/share/clip_hpc
libtorch_of() { ldd "$1" | sed -nE 's/.*libtorch_cpu\.so => ([^ ]*) .*/\1/p'; }
libtorch=$(dirname "$(dirname "$(libtorch_of "$clip_hpc")")")
cd / || exit 1

# --- what is there ---------------------------------------------------------------------------------------------------
for file in jobs/{env.sh,train_job.sh,vit_s_flip.slurm,paper/vit_b16.slurm,study_array.slurm,study_cell.sh} configs/{quickstart,emoji,vit_s_flip,study/small,paper/base}.cfg configs/models/ViT-S-16-paper.json \
  configs/sites/example_gpu_cluster.env; do
  check "share/clip_hpc/$file" test -r "$share/$file"
done
check 'nothing that builds from source' test ! -e "$share/jobs/setup.sh"
check 'no file names the source folder' eval "! grep -rlF '$CLIP_HPC_SOURCE_DIR' '$prefix/share'"

# --- programs, after the move and from another folder ----------------------------------------------------------------
check 'clip_hpc starts' says 0 'LibTorch 2.' "$prefix/bin/clip_hpc" --version
check 'clip_report starts' says 0 clip_report "$prefix/bin/clip_report" --version
check 'clip_study starts' says 0 clip_study "$prefix/bin/clip_study" --version
check 'clip_study finds the installed jobs and models' says 0 '48 cells to train' env -C "$share" "$prefix/bin/clip_study" plan \
  --grid configs/study/small.cfg
check 'clip_report needs no LibTorch' test -z "$(libtorch_of "$prefix/bin/clip_report")"
check 'the models that came along' says 0 ViT-S-16-paper "$prefix/bin/clip_hpc" model "$share/configs/models/ViT-S-16-paper.json"

# --- LibTorch: of the build, of the tree, of a variable --------------------------------------------------------------
check 'LibTorch of the build' test "$(libtorch_of "$prefix/bin/clip_hpc")" -ef "$libtorch/lib/libtorch_cpu.so"
ln -s "$libtorch" "$scratch/named"
from_env() { # with LIBTORCH as given and the installed env.sh
  # shellcheck disable=SC2016
  LIBTORCH=$1 bash -c 'source "$1/jobs/env.sh" && ldd "$(command -v clip_hpc)"' env "$share"
}
check 'LIBTORCH=…' says 0 "$scratch/named/lib/libtorch_cpu.so" from_env "$scratch/named"
ln -s "$libtorch" "$prefix/libtorch"
check '<prefix>/libtorch' says 0 'libtorch/lib/libtorch_cpu.so' eval "ldd '$prefix/bin/clip_hpc' | grep bin/../libtorch"
check 'clip_hpc starts with <prefix>/libtorch' says 0 'LibTorch 2.' "$prefix/bin/clip_hpc" --version

# --- jobs/env.sh -----------------------------------------------------------------------------------------------------
in_env() { # command...
  # shellcheck disable=SC2016
  env -u CLIP_HPC_ROOT -u CLIP_HPC_BUILD bash -c 'source "$1/jobs/env.sh" && shift && "$@"' env "$share" "$@"
}
check 'env.sh finds the installed programs' says 0 "$prefix/bin/clip_hpc" in_env bash -c 'command -v clip_hpc'
check 'env.sh: another site' says 0 gpu env CLIP_HPC_SITE=example_gpu_cluster bash -c \
  "source '$share/jobs/env.sh' && echo \$CLIP_HPC_PARTITION"
# Where somebody types, the shell's options stay his: a command that fails does not end it.
typed() { env -u CLIP_HPC_ROOT -u CLIP_HPC_BUILD "${@:2}" bash --norc -i -c "source '$share/jobs/env.sh'; echo \"env gave \$?\"; false; echo \"\$1\"" typed "$1" 2>&1; }
check 'env.sh: an interactive shell goes on' says 0 'still here' typed 'still here'
check 'env.sh: and is told of a wrong site' says 0 'env gave 2' typed 'still here' CLIP_HPC_SITE=nowhere
check 'env.sh: a site that is not there names the others' says 2 example_gpu_cluster.env env CLIP_HPC_SITE=nowhere \
  bash -c "source '$share/jobs/env.sh'"
check 'pack' make_tiny "$scratch"
check 'clip_hpc_launch trains from the installed tree' says 0 'training done: 2 steps' \
  in_env clip_hpc_launch 2 clip_hpc --config "$scratch/tiny.cfg" --set train.samples=128 --run-dir "$scratch/run"
finish
