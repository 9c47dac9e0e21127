#!/usr/bin/env bash
# Operations of the augmentations, byte by byte, against Pillow by way of torchvision and timm and against big_vision's
# formulas; what the policies draw against what torchvision's and timm's may draw.
# shellcheck source=tests/parity/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
augment_dump=$CLIP_HPC_BINARY_DIR/bin/augment_dump
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
check 'operations and policies are those of the peers' against augment_parity.py "$augment_dump" "$scratch"
finish
