#!/usr/bin/env bash
# clip_hpc pack on input that is not as it should be: nothing lost and nothing relabelled without a word.
# shellcheck source=tests/cli/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
cd "$CLIP_HPC_SOURCE_DIR" || exit 1
pack() { "$clip_hpc" pack "$@"; }
tar_pack() { pack --from webdataset "$@"; }
count_of() { sed -n 's/^  "count": \([0-9]*\),$/\1/p' "$1/dataset.json"; }
has() { grep -q "$2" "$1" || { cat "$1"; return 1; }; }

check 'glyphs' says 0 train pack --from glyphs --faces small --scripts greek --samples-per-shard 100 --output "$scratch/glyphs"
check 'as tar files' says 0 'tar files' pack --to clip_benchmark --input "$scratch/glyphs/train" --type retrieval --output "$scratch/wds"
tars=$scratch/wds/test
mv "$tars/nshards.txt" "$scratch"

# --- twins -----------------------------------------------------------------------------------------------------------
mkdir "$scratch/one" "$scratch/two"
cp "$tars"/[01].tar "$scratch/one" && cp "$tars"/[12].tar "$scratch/two"
check 'a uid in two files, on 2 ranks' says 0 '100 x has a uid that an earlier sample has' on_ranks 2 "$clip_hpc" pack \
  --from webdataset --input "$scratch/one" "$scratch/two" --output "$scratch/twins" --verify
check 'both are there' test "$(count_of "$scratch/twins")" = 400
check 'the same on 1 rank' says 0 '100 x' tar_pack --input "$scratch/one" "$scratch/two" --output "$scratch/twins_1"
check 'the same bytes' eval "cmp <(cd '$scratch/twins' && sha256sum *) <(cd '$scratch/twins_1' && sha256sum *)"
check 'one folder by two names' says 0 'more than once' tar_pack --input "$scratch/one" "$scratch/two/../one" --output "$scratch/same"
check 'is packed once' test "$(count_of "$scratch/same")" = 200

# --- broken tar files ------------------------------------------------------------------------------------------------
mkdir "$scratch/broken" && cp "$tars"/[0-4].tar "$scratch/broken"
truncate -s 50001 "$scratch/broken/1.tar" && truncate -s 60001 "$scratch/broken/3.tar"
broken() { says 3 "$1" on_ranks 2 "$clip_hpc" pack --from webdataset --input "$scratch/broken" --output "$scratch/partial"; }
check 'the first broken one is named' broken "broken/1.tar"
check 'and the second' broken "broken/3.tar"
check 'and what to do' broken '--keep-going'
# The help is set in columns.
check 'the default is stated' eval "pack --help | tr -s ' \n' ' ' | grep -q 'default: name them all and make no set'"
check 'there is no set' test ! -e "$scratch/partial/dataset.json"
cp "$tars"/[13].tar "$scratch/broken"
check 'copied again: what was packed is taken' says 0 '3 parts of an earlier try' tar_pack --input "$scratch/broken" --output "$scratch/partial"
check 'all is there' test "$(count_of "$scratch/partial")" = 500
check 'nothing is left over' eval "! ls '$scratch/partial' | grep -q part"
check 'the bytes of one go' eval "pack --from webdataset --input '$scratch/broken' --output '$scratch/whole' >/dev/null 2>&1 &&
  cmp <(cd '$scratch/partial' && sha256sum *) <(cd '$scratch/whole' && sha256sum *)"
truncate -s 50001 "$scratch/broken/1.tar"
check 'keep going: exit 3' says 3 'holds what could be read' tar_pack --input "$scratch/broken" --output "$scratch/kept" --keep-going
check 'keep going: a set' says 0 'match their checksums' pack --output "$scratch/kept" --verify
check 'keep going: the report' has "$scratch/kept/pack_report.tsv" '^broken.*1.tar'

# --- a tar file that is cut off at the end of a member ---------------------------------------------------------------
mkdir "$scratch/cut" && cp "$tars/0.tar" "$scratch/cut"
end=$(tar -tRf "$scratch/cut/0.tar" | sed -n '61s/^block \([0-9]*\):.*/\1/p')
truncate -s $((end * 512)) "$scratch/cut/0.tar"
check 'cut off at a block: a warning' says 0 'perhaps it is cut off' tar_pack --input "$scratch/cut" --output "$scratch/short"
check 'strict: an error' says 3 '--strict' tar_pack --input "$scratch/cut" --output "$scratch/short_strict" --strict
check 'strict: no set' test ! -e "$scratch/short_strict/dataset.json"

# --- what stops a pack -----------------------------------------------------------------------------------------------
check 'the tokenizer fails' says 2 'cannot train a tokenizer' tar_pack --input "$scratch/one" --output "$scratch/words" --train-tokenizer 270
check 'repeated, it goes on' says 0 'going on from there' tar_pack --input "$scratch/one" --output "$scratch/words" --train-tokenizer 300
check 'the tokenizer is there' test -s "$scratch/words/tokenizer.model"
touch "$scratch/words/unfinished.pack" # as a kill leaves it that comes after the last set, in the middle of a check of all bytes
touch "$scratch"/words/{shard_00000.part.json,pack_report_00000.part} # or before the notes of the parts were gone
check 'stopped after its last set, it goes on' says 0 'going on from there' tar_pack --input "$scratch/one" --output "$scratch/words" \
  --train-tokenizer 300
check 'and is finished' test ! -e "$scratch/words/unfinished.pack"
check 'and leaves no notes' test -z "$(find "$scratch/words" -name '*.part*')"
check 'once more, and nothing is overwritten' says 2 'already holds a packed set' tar_pack --input "$scratch/one" \
  --output "$scratch/words" --train-tokenizer 300
check 'other input does not go on' says 2 'already holds a packed set' tar_pack --input "$scratch/two" --output "$scratch/words" \
  --train-tokenizer 300
mkfifo "$scratch/pipe.tar"
check 'a FIFO' says 2 'is no file' timeout 20 "$clip_hpc" pack --from webdataset --input "$scratch/pipe.tar" --output "$scratch/none"

# --- links, and captions under another key ---------------------------------------------------------------------------
mkdir "$scratch/linked" && tar -xf "$tars/0.tar" -C "$scratch/linked"
first=$(cd "$scratch/linked" && find . -name '*.png' | sort | head -n1)
mv "$scratch/linked/$first" "$scratch/linked/kept.bin" && ln -s kept.bin "$scratch/linked/$first"
for text in "$scratch/linked"/*.txt; do printf '{"alt": "as alt: %s"}' "$(head -n1 "$text")" >"${text%.txt}.json"; done
tar --sort=name -cf "$scratch/linked.tar" -C "$scratch/linked" .
check 'a link is named' says 0 'is a link to kept.bin' tar_pack --input "$scratch/linked.tar" --output "$scratch/links" \
  --caption-key alt
check 'the others are packed' test "$(count_of "$scratch/links")" = 99
check 'the caption of another key' grep -qa 'as alt: ' "$scratch/links/shard_00000.h5"

# --- images with classes alone ---------------------------------------------------------------------------------------
mkdir "$scratch/files" "$scratch/classes" "$scratch/classes/test"
tar -xf "$tars/0.tar" -C "$scratch/files" && rm "$scratch/files"/*.txt
for image in "$scratch/files"/*.png; do echo 1 >"${image%.png}.cls"; done
tar --sort=name -cf "$scratch/classes/test/0.tar" -C "$scratch/files" . && echo 1 >"$scratch/classes/test/nshards.txt"
check 'classes alone' says 0 '100 samples' pack --from clip_benchmark --input "$scratch/classes" --output "$scratch/labelled"
check 'a tokenizer needs captions' says 2 'has no captions' pack --output "$scratch/labelled/test" --train-tokenizer 300
check 'training needs captions' says 2 'has no captions' "$clip_hpc" --config configs/quickstart.cfg --run-dir "$scratch/run" \
  --set data.train="$scratch/labelled/test" --set model.config=configs/models/ViT-B-16.json
"$clip_hpc" --config configs/quickstart.cfg --run-dir "$scratch/model" --set data.train="$scratch/words" --set eval.data= \
  --set model.config=configs/models/tiny.json --set train.samples=64 --set train.global_batch=32 >"$scratch/model.log" 2>&1
check 'scores need captions' says 2 'has no captions' "$clip_hpc" score --model "$scratch/model" --data "$scratch/labelled/test" \
  --output "$scratch/scores.h5"
check 'retrieval needs captions' says 2 'has no captions' "$clip_hpc" eval --model "$scratch/model" \
  --data "$scratch/labelled/test" --task retrieval --output "$scratch/results"
finish
