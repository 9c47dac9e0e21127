#!/usr/bin/env bash
# Installs what clip_hpc needs: Debian packages and LibTorch (from the PyTorch wheel, into .deps/venv).
#   jobs/setup.sh            programs only         jobs/setup.sh --print   only say what would be installed
# A LibTorch of your own: set LIBTORCH to the folder that holds include/ATen and lib/libtorch_cpu.so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages=(g++ cmake ninja-build ccache pkg-config git python3 python3-venv openmpi-bin libopenmpi-dev libhdf5-dev
  libboost-program-options-dev nlohmann-json3-dev libspdlog-dev libfmt-dev libturbojpeg0-dev libjpeg-dev libwebp-dev
  libpng-dev libarchive-dev libxxhash-dev libfreetype-dev libharfbuzz-dev libsentencepiece-dev libgtest-dev
  shellcheck)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
install=(apt-get install -y --no-install-recommends "${missing[@]}")
if [[ ${1:-} == --print ]]; then
  printf 'Debian packages missing: %s\n' "${missing[*]:-none}"
  exit 0
fi
if ((${#missing[@]})); then
  echo "Installing ${#missing[@]} Debian packages: ${missing[*]}"
  if [[ $(id -u) == 0 ]]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${install[@]}" >/dev/null
  elif sudo -n true 2>/dev/null; then
    sudo apt-get update -qq
    sudo DEBIAN_FRONTEND=noninteractive "${install[@]}" >/dev/null
  else
    echo "Please have an administrator run:  ${install[*]}" >&2
    exit 2
  fi
fi

if [[ -n ${LIBTORCH:-} ]]; then
  [[ -f $LIBTORCH/lib/libtorch_cpu.so ]] || { echo "LIBTORCH=$LIBTORCH holds no lib/libtorch_cpu.so" >&2; exit 2; }
elif ! compgen -G '.deps/venv/lib/python3*/site-packages/torch/lib/libtorch_cpu.so' >/dev/null; then
  echo 'Fetching LibTorch 2.11.0 (0.55 GB)'
  python3 -m venv .deps/venv
  # libtorch_cpu itself needs only these two CUDA libraries, so the other 2.5 GB stay away.
  .deps/venv/bin/pip install --quiet --disable-pip-version-check --no-deps torch==2.11.0 \
    'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-cupti==13.0.*'
fi
echo 'Setup: done'
