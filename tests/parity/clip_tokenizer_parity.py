"""CLIP's tokenizer beside open_clip's.

write MERGES TEXTS            the merges out of open_clip's package, and texts to try them on
compare TEXTS IDS CONTEXT     the ids that clip_hpc tokenize gave for the lines
canonical MODEL TEXTS IDS CONTEXT  the ids for the lines, cleaned as SigLIP's are, of a SentencePiece model
model FOLDER FEATURES.h5 TEXTS  an exported folder: its tokenizer and the features of the texts
"""
import gzip
import html.entities
import random
import sys
from pathlib import Path

import open_clip
import torch
from open_clip.tokenizer import SimpleTokenizer, default_bpe

from peer import Checks

WORDS = """a photo of the red house and its garden, 3 cats' toys; I'll don't we've they're it's I'm he'd naïve façade
über Straße ŒUVRE œuf İstanbul ΣΊΣΥΦΟΣ ΟΔΟΣ Москва ЁЛКА привет مرحبا שלום नमस्ते ไทย 한국어 東京タワー 你好世界 ｶﾞ ＦＵＬＬ１２
😀 👩‍👩‍👧‍👦 🇩🇪 ❤️ 👍🏽 #hashtag @user http://example.com/a?b=c&d=e 1,234.56 ½ ² Ⅻ ٣ C++ e-mail — – … “quoted” ‘single’ ﬁne ﬂow
e\u0301 n\u0303 \u212b \u2126 \u00ad \u200b \u200d \ufeff x\u00a0y \u3000 <b>bold</b> <start_of_text> <end_of_text>
&amp; &lt;p&gt; &quot; &nbsp; &eacute; &EACUTE; &amp;amp; &#39; &#x27; &#128; &copy &notit; &bogus; & && ¯\\_(ツ)_/¯ ____ '''' !!!""".split()


def texts():
    draw, lines = random.Random(5), []
    for _ in range(3000):
        words = draw.choices(WORDS, k=draw.choice([1, 3, 8, 20, 90]))
        lines.append(draw.choice([" ", " ", "  ", "\t", ""]).join(words))
    lines += ["", " ", "x" * 300, "ab " * 200, "\U0001f600" * 40]
    lines += [f"a &{name} b" for name in html.entities.html5]
    lines += [f"A&{name.upper()}B" for name in html.entities.html5]
    lines += [f"&#{code};&#{code}x&#x{code:X};" for code in [*range(0, 300), 0xD800, 0xFDD0, 0xFFFE, 0x10FFFF, 0x110000]]
    # Every character that Python 3.11 knows as a letter, digit, mark or symbol, five a line.
    known = [chr(c) for c in range(0xA1, 0x2FA20) if chr(c).isprintable() and not 0xE000 <= c < 0xF900]
    lines += ["a".join(known[i:i + 5]) for i in range(0, len(known), 97)]
    return [line.replace("\n", " ").replace("\r", " ") for line in lines]


def lines_of(path):
    return Path(path).read_text(encoding="utf-8").split("\n")[:-1]


def mended_encoding(line):
    """Whether ftfy thinks that the line was decoded wrongly: the one thing that clip_hpc does not guess."""
    import ftfy
    config = ftfy.TextFixerConfig(explain=False)
    return ftfy.fix_text(line, config) != ftfy.fix_text(line, config._replace(fix_encoding=False))


def write(merges, path):
    Path(merges).write_bytes(gzip.decompress(Path(default_bpe()).read_bytes()))
    Path(path).write_text("".join(line + "\n" for line in texts()), encoding="utf-8")


def same(checks, what, lines, ours, peer):
    kept = [i for i, line in enumerate(lines) if not mended_encoding(line)]
    checks.true(f"most lines are compared: {len(kept)} of {len(lines)}", len(kept) > 0.95 * len(lines))
    wrong = [lines[i] for i in kept if ours[i] != peer[i]]
    checks.true(f"{what}: {len(wrong)} of {len(kept)} lines have other ids: {wrong[:5]}", not wrong)
    return kept


def compare(path, ids, context):
    lines, checks, context = lines_of(path), Checks(), int(context)
    ours = [[int(word) for word in line.split()] for line in lines_of(ids)]
    peer = SimpleTokenizer()(lines, context_length=context).tolist()
    checks.true("a line of ids a text", len(ours) == len(lines))
    kept = same(checks, f"context {context}", lines, ours, peer)
    full = sum(ours[i][-1] == 49407 for i in kept)
    checks.true(f"{full} lines fill their context and keep the end token", full > 300)
    print(f"{len(kept)} lines, {full} of them full")
    checks.finish()


def canonical(model, path, ids, context):
    import sentencepiece
    from open_clip.tokenizer import get_clean_fn
    lines, checks, context, clean = lines_of(path), Checks(), int(context), get_clean_fn("canonicalize")
    pieces = sentencepiece.SentencePieceProcessor(model_file=model)
    ours = [[int(word) for word in line.split()] for line in lines_of(ids)]
    peer = [pieces.encode(clean(line))[:context - 1] for line in lines]
    peer = [tokens + [pieces.eos_id()] * (context - len(tokens)) for tokens in peer]
    checks.true("a line of ids a text", len(ours) == len(lines))
    kept = same(checks, "canonical", lines, ours, peer)
    other = sum(pieces.encode(lines[i]) != pieces.encode(clean(lines[i])) for i in kept)
    checks.true(f"cleaning changes {other} of {len(kept)} lines", other > 1000)
    print(f"{len(kept)} lines, {other} of which cleaning changes")
    checks.finish()


def model(folder, file, path):
    import h5py
    with h5py.File(file) as data:
        ids, features = torch.from_numpy(data["ids"][:]), torch.from_numpy(data["text"][:])
    lines, checks = lines_of(path), Checks()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    checks.true("open_clip takes its own tokenizer", isinstance(tokenizer, SimpleTokenizer))
    peer = tokenizer(lines)
    kept = same(checks, "local-dir", lines, ids.tolist(), peer.tolist())
    peer_model = open_clip.create_model_and_transforms(f"local-dir:{folder}")[0].eval()
    with torch.no_grad():
        theirs = torch.cat([peer_model.encode_text(part, normalize=True) for part in peer[kept].split(500)])
    checks.equal("text features", features[kept], theirs, 0, 2e-6)
    checks.true("the texts differ", bool((features - features[0]).abs().max() > 0.01))
    checks.finish()


{"write": write, "compare": compare, "canonical": canonical, "model": model}[sys.argv[1]](*sys.argv[2:])
