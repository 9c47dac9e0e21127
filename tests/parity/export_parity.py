"""What open_clip makes of an exported folder.

features FOLDER FEATURES.h5 PICTURE...   features of the file's inputs and ids; its own view of the pictures
tokenizer FOLDER FEATURES.h5 TEXTS       its tokenizer's ids of the lines
unigram CLIP_HPC RUN TEXTS               the same for a unigram model, which is trained here, in the run's place
save FOLDER WEIGHTS JSON                 the loaded model, as open_clip's users save one
"""
import json
import shutil
import subprocess
import sys
from pathlib import Path

import ftfy
import open_clip
import torch
from safetensors.torch import save_file

from export_parity_data import compare_outputs, datasets, has_loose_marks, lines_of
from peer import Checks, read_json


def features(folder, file, *pictures):
    from PIL import Image
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    ours, checks = datasets(file), Checks()
    with torch.no_grad():
        image = model.eval().encode_image(ours["inputs"], normalize=True)
        text, scale = model.encode_text(ours["ids"], normalize=True), model.logit_scale.exp()
        bias = 0.0 if getattr(model, "logit_bias", None) is None else model.logit_bias
        compare_outputs(checks, f"open_clip, {folder}", ours, image, text, scale * image @ text.T + bias, scale, bias)
    spread = (ours["text"] - ours["text"][0]).abs().max()
    checks.true("the texts differ", bool(spread > 0.01))
    steps = 1 / 255 / torch.tensor(model.visual.image_std).view(3, 1, 1)  # of one grey level
    for picture, row in zip(pictures, ours["inputs"], strict=True):
        levels = 2 if picture.endswith(".jpg") else 1e-3
        checks.equal(picture, row / steps, preprocess(Image.open(picture)) / steps, 0, levels)
    checks.finish()


def compare_ids(checks, what, lines, ours, peer, is_tie):
    wrong = [line for line, a, b in zip(lines, ours.tolist(), peer.tolist(), strict=True) if a != b and not is_tie(line)]
    checks.true(f"{what}: {len(wrong)} of {len(lines)} lines have other ids: {wrong[:3]}", not wrong)


def tokenizer(folder, file, texts):
    ours, lines, checks = datasets(file)["ids"], lines_of(texts), Checks()
    compare_tokenizer(checks, folder, ours, lines)
    checks.finish()


def compare_tokenizer(checks, folder, ours, lines, is_tie=lambda line: False):
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    hugging = tokenizer.tokenizer(lines, return_tensors="pt", max_length=ours.shape[1], padding="max_length",
                                  truncation=True).input_ids
    for what, peer, fine in (("tokenizer.json", hugging, lambda line: True),
                             ("open_clip", tokenizer(lines), lambda line: ftfy.fix_text(line) == line)):
        kept = [i for i, line in enumerate(lines) if fine(line) and not has_loose_marks(line)]
        checks.true(f"most lines are compared: {len(kept)}", len(kept) > len(lines) / 2)
        compare_ids(checks, what, [lines[i] for i in kept], ours[kept], peer[kept], is_tie)


def unigram(clip_hpc, run, texts):
    import sentencepiece
    corpus = [line for line in lines_of(texts) if line.strip() and max(line) < "\u0250"]
    Path("corpus.txt").write_text("\n".join(corpus), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input="corpus.txt", model_prefix="unigram", model_type="unigram", vocab_size=300, character_coverage=0.98,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, hard_vocab_limit=False, minloglevel=2)
    shutil.copytree(run, "unigram_run")
    shutil.copy("unigram.model", "unigram_run/tokenizer.model")
    for words in (["export", "--output", "unigram_out"], ["embed", "--texts", texts, "--write", "ids", "--output", "unigram.h5"]):
        subprocess.run([clip_hpc, words[0], "--model", "unigram_run", *words[1:]], check=True, capture_output=True)
    pieces = sentencepiece.SentencePieceProcessor(model_file="unigram.model")
    hugging, ties, checks = open_clip.get_tokenizer("local-dir:unigram_out").tokenizer, [], Checks()

    def is_tie(line):  # two ways to cut a line may be equally likely
        ways = pieces.encode("".join(c.lower() if c.isascii() else c for c in line)), hugging(line).input_ids[:-1]
        likely = [sum(pieces.get_score(id) for id in ids) for ids in ways]
        ties.append(line)
        return abs(likely[0] - likely[1]) < 1e-4 * abs(likely[0])

    compare_tokenizer(checks, "unigram_out", datasets("unigram.h5")["ids"], lines_of(texts), is_tie)
    checks.true(f"few ties: {len(ties)}", len(ties) < 10)
    checks.finish()


def save(folder, weights, config):
    model = open_clip.create_model(f"local-dir:{folder}")
    save_file(model.state_dict(), weights)
    Path(config).write_text(json.dumps(read_json(f"{folder}/open_clip_config.json")["model_cfg"]))


{"features": features, "tokenizer": tokenizer, "unigram": unigram, "save": save}[sys.argv[1]](*sys.argv[2:])
