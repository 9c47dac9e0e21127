#!/usr/bin/env bash
# clip_hpc pack and filter: the same bytes for any number of ranks, nested subsets, and what is said about a broken set.
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
cd "$CLIP_HPC_SOURCE_DIR" || exit 1 # pack finds the emoji names in .deps/cldr
sums() { (cd "$1" && find . -type f -exec sha256sum {} + | sort -k2); }
same_files() { cmp <(sums "$1") <(sums "$2"); }

# --- pack ------------------------------------------------------------------------------------------------------------
glyphs=(--from glyphs --faces small --scripts greek --train-tokenizer 300 --samples-per-shard 256)
check 'glyphs on 1 rank' says 0 'nearest training picture' "$clip_hpc" pack "${glyphs[@]}" --output "$scratch/one"
check 'glyphs on 3 ranks: the lines of all ranks' says 0 'test_letters by label: nearest picture' \
  on_ranks 3 "$clip_hpc" pack "${glyphs[@]}" --output "$scratch/three"
check 'glyphs: several shards' test -s "$scratch/one/train/shard_00002.h5"
for split in train test_letters test_pairs test_faces; do
  check "glyphs: $split says where it comes from" grep -q '"licence": "[^"]' "$scratch/one/$split/dataset.json"
done
check 'glyphs: the same bytes for 1 and 3 ranks' same_files "$scratch/one" "$scratch/three"
check 'glyphs: another seed, another order' says 0 train "$clip_hpc" pack "${glyphs[@]}" --seed 1 --output "$scratch/seed"
check 'glyphs: another seed, other bytes' eval "! cmp -s '$scratch/one/train/shard_00000.h5' '$scratch/seed/train/shard_00000.h5'"
check 'packing over a set' says 2 'give another output folder' "$clip_hpc" pack "${glyphs[@]}" --output "$scratch/one"
check 'packing over a set leaves it alone' same_files "$scratch/one" "$scratch/three"

emoji=(--from emoji --size 16 --samples-per-shard 500)
check 'emoji on 1 rank' says 0 test_symbola "$clip_hpc" pack "${emoji[@]}" --output "$scratch/emoji"
check 'emoji on 3 ranks' says 0 test_symbola on_ranks 3 "$clip_hpc" pack "${emoji[@]}" --output "$scratch/emoji_three"
check 'emoji: the same bytes for 1 and 3 ranks' same_files "$scratch/emoji" "$scratch/emoji_three"
check 'no such script' says 2 klingon "$clip_hpc" pack --from glyphs --scripts klingon --output "$scratch/none"
check 'vocabulary too small' says 2 '' "$clip_hpc" pack "${glyphs[@]}" --train-tokenizer 3 --output "$scratch/small"

# --- sets that are packed already ------------------------------------------------------------------------------------
check 'the vocabulary is looked at before packing' test ! -e "$scratch/small"
check 'no tokenizer was asked for' test ! -e "$scratch/emoji/train/tokenizer.model"
check 'a tokenizer for a packed set' says 0 ' pieces' "$clip_hpc" pack --output "$scratch/emoji" --train-tokenizer 400
check 'it is there' test -s "$scratch/emoji/train/tokenizer.model"
check 'a tokenizer that is given' says 0 'pieces, from' on_ranks 2 "$clip_hpc" pack --output "$scratch/emoji/train" \
  --tokenizer "$scratch/one/train/tokenizer.model"
check 'it is that one' cmp "$scratch/emoji/train/tokenizer.model" "$scratch/one/train/tokenizer.model"
check 'given while packing' says 0 'pieces, from' "$clip_hpc" pack --from glyphs --faces small --scripts greek \
  --tokenizer "$scratch/one/train/tokenizer.model" --output "$scratch/given"
check 'given while packing: it is that one' cmp "$scratch/given/train/tokenizer.model" "$scratch/one/train/tokenizer.model"
check 'no tokenizer' says 2 'is not a SentencePiece model' "$clip_hpc" pack --output "$scratch/emoji" --tokenizer "$scratch/one/train/dataset.json"
check 'trained or given' says 2 'give --train-tokenizer or --tokenizer' "$clip_hpc" pack --output "$scratch/emoji" \
  --tokenizer "$scratch/one/train/tokenizer.model" --train-tokenizer 300
check 'no packed set' says 2 'holds no packed set' "$clip_hpc" pack --output "$scratch" --verify
check 'verify' says 0 'shards match their checksums' on_ranks 3 "$clip_hpc" pack --output "$scratch/three" --verify
printf 'x' | dd of="$scratch/three/train/shard_00001.h5" bs=1 seek=200000 conv=notrunc status=none
check 'verify finds one byte, on the rank that has it' says 3 'train/shard_00001.h5: checksum' \
  on_ranks 3 "$clip_hpc" pack --output "$scratch/three" --verify
check 'words that webdataset has no use for' says 2 'a tar becomes a shard' "$clip_hpc" pack --from webdataset \
  --input "$scratch" --output "$scratch/tars" --seed 1

check 'options of another source' says 2 '--faces is an option of --from glyphs, not of --from emoji' "$clip_hpc" pack \
  --from emoji --faces small --output "$scratch/none"
check 'options of a source without --from' says 2 'give --from or --to' "$clip_hpc" pack --size 16 --output "$scratch/one" --verify
check 'no such source' says 2 'webdataset, clip_benchmark' "$clip_hpc" pack --from tar --output "$scratch/none"
check '--help lists the options of each source' says 0 'Options of --from emoji' "$clip_hpc" pack --from glyphs --help
older() { # a project folder with its sets in packed/
  (mkdir -p "$scratch/older/packed" && cd "$scratch/older" && cp -r "$scratch/one" packed/glyphs && "$@")
}
check 'a set in packed/ is found as data/packed/' older says 0 'packed/glyphs is used' "$clip_hpc" pack \
  --output data/packed/glyphs --verify

# --- filter ----------------------------------------------------------------------------------------------------------
set=$scratch/one/train
draw() { "$clip_hpc" filter --data "$set" --count "$1" --seed "$2" --output "$scratch/$3.h5"; }
check 'filter: 25' says 0 '25 of' draw 25 0 s25
check 'filter: 10' says 0 '10 of' draw 10 0 s10
check 'filter: 10 of another seed' says 0 '10 of' draw 10 1 other10
check 'filter: 10 once more' says 0 '10 of' draw 10 0 again10
check 'filter: a draw can be repeated' cmp "$scratch/s10.h5" "$scratch/again10.h5"
check 'filter on 2 ranks' says 0 '10 of' on_ranks 2 "$clip_hpc" filter --data "$set" --count 10 --output "$scratch/ranks10.h5"
check 'filter: the same on 2 ranks' cmp "$scratch/s10.h5" "$scratch/ranks10.h5"
# A sample is known by two random words of 64 bits, stored as they are: those of the smaller subset lie in the larger.
words() { od -An -v -t u8 -w8 "$scratch/$1.h5" | awk 'length($1) >= 18 { print $1 }' | sort -u; }
shared() { comm -12 <(words "$1") <(words "$2") | wc -l; }
inside() { [[ $(shared "$1" s25) -ge 18 ]] || { echo "$1 and s25 share $(shared "$1" s25) words"; return 1; }; }
check 'filter: the 10 lie inside the 25' inside s10
check 'filter: those of another seed do not' eval '! inside other10 >/dev/null'
check 'filter: more than there are' says 2 'it holds' draw 1000000 0 much
check 'filter: not a set' says 3 'clip_hpc pack' "$clip_hpc" filter --data "$scratch" --count 10 --output "$scratch/x.h5"

# --- broken sets: which file, and what to do -------------------------------------------------------------------------
copy() { # name: a copy of the set that may be damaged
  rm -rf "${scratch:?}/$1" && cp -r "$set" "$scratch/$1"
}
reads() { # name, what is said
  says 3 "$2" "$clip_hpc" filter --data "$scratch/$1" --count 10 --output "$scratch/x.h5"
}
copy cut && truncate -s -1000 "$scratch/cut/shard_00001.h5"
check 'truncated shard: which' reads cut shard_00001.h5
check 'truncated shard: what to do' reads cut 'copy it again or repack'
copy gone && rm "$scratch/gone/shard_00002.h5"
check 'missing shard' reads gone 'shard_00002.h5 is missing'
copy head && printf 'not HDF5' | dd of="$scratch/head/shard_00000.h5" conv=notrunc status=none
check 'not an HDF5 file' reads head shard_00000.h5
copy json && truncate -s 100 "$scratch/json/dataset.json"
check 'truncated dataset.json' reads json dataset.json
check 'truncated dataset.json: what to do' reads json 'copy it again or repack'
copy other && cp "$scratch/one/test_faces/dataset.json" "$scratch/other/dataset.json"
check 'the dataset.json of another set' reads other shard_00000.h5
finish
