"""What transformers makes of an exported folder, and models of its own to be imported.

save KIND FOLDER [VOCABULARY]    a small random model: clip, clip_quick, clip_old (end token 2),
                                 siglip, and siglip_base, whose image tower is one that timm knows by name
features FOLDER FEATURES.h5      features of the file's inputs and ids, and the logits of all pairs
equal FOLDER FOLDER              the same weights and the same numbers in config.json
tokenizer FOLDER FEATURES.h5 TEXTS   its tokenizer's ids of the lines
siglip_tokenizer FOLDER FEATURES.h5 TEXTS   open_clip's ids of the lines, of a folder in its layout
pixels FOLDER FEATURES.h5 PICTURE... its preprocessing of the pictures
"""
import sys

import ftfy
import torch
import transformers
from torch.nn.functional import normalize

from export_parity_data import compare_outputs, datasets, has_loose_marks, lines_of
from peer import Checks, load, read_json


def save(kind, folder, vocabulary="300"):
    torch.manual_seed(5)
    text = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 3,
            "max_position_embeddings": 16, "vocab_size": int(vocabulary), "eos_token_id": 1, "pad_token_id": 1, "bos_token_id": 0}
    vision = {"hidden_size": 32, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32,
              "patch_size": 8}
    if kind == "siglip_base":
        config = transformers.SiglipConfig(text_config={**text, "hidden_size": 768, "num_attention_heads": 12}, vision_config={"hidden_act": "gelu"})
        model = transformers.SiglipModel(config)
    elif kind == "siglip":
        config = transformers.SiglipConfig(text_config=text, vision_config={**vision, "hidden_size": 48, "num_attention_heads": 3})
        model = transformers.SiglipModel(config)
    else:
        act = "quick_gelu" if kind == "clip_quick" else "gelu"
        if kind == "clip_old":
            text.update(vocab_size=49408, eos_token_id=2, bos_token_id=0)
        config = transformers.CLIPConfig(text_config={**text, "hidden_act": act}, vision_config={**vision, "hidden_act": act},
                                         projection_dim=24)
        model = transformers.CLIPModel(config)
    for parameter in model.parameters():  # biases and norms begin as constants: noise makes every one matter
        parameter.data += 0.05 * torch.randn_like(parameter)
    model.save_pretrained(folder, safe_serialization=True)


def loaded(folder):
    model_type = read_json(f"{folder}/config.json")["model_type"]
    model = {"clip": transformers.CLIPModel, "siglip": transformers.SiglipModel}[model_type].from_pretrained(folder)
    return model.eval().float()


def features(folder, file):
    model, ours, checks = loaded(folder), datasets(file), Checks()
    with torch.no_grad():
        outputs = model(input_ids=ours["ids"], pixel_values=ours["inputs"])
        image, text = normalize(outputs.image_embeds, dim=-1), normalize(outputs.text_embeds, dim=-1)
        compare_outputs(checks, f"transformers, {folder}", ours, image, text, outputs.logits_per_image,
                        model.logit_scale.exp(), getattr(model, "logit_bias", 0.0))
    checks.true("the texts differ", bool((text - text[0]).abs().max() > 0.01))
    checks.finish()


def equal(first, second):
    checks = Checks()
    a, b = (load(f"{folder}/model.safetensors") for folder in (first, second))
    checks.true(f"the same names: {sorted(set(a) ^ set(b))[:3]}", set(a) == set(b))
    for name in set(a) & set(b):
        checks.true(f"{name} is the same", torch.equal(a[name], b[name]))
    first, second = (type(loaded(folder).config).from_pretrained(folder) for folder in (first, second))
    for part in ("text_config", "vision_config"):
        one, other = getattr(first, part), getattr(second, part)
        for key in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "hidden_act",
                    "layer_norm_eps", "image_size", "patch_size", "vocab_size", "max_position_embeddings"):
            checks.true(f"{part}.{key}: {getattr(one, key, None)}, {getattr(other, key, None)}",
                        getattr(one, key, None) == getattr(other, key, None))
    checks.finish()


def tokenizer(folder, file, texts):
    ours, lines, checks = datasets(file)["ids"], lines_of(texts), Checks()
    peer = transformers.AutoTokenizer.from_pretrained(folder)(
        lines, return_tensors="pt", max_length=ours.shape[1], padding="max_length", truncation=True).input_ids
    # CLIP's own pads with its end token here and with 0 there: what counts ends with the first end token.
    end = peer[0, -1].item()
    wrong = []
    for line, a, b in zip(lines, ours.tolist(), peer.tolist(), strict=True):
        if has_loose_marks(line) or ftfy.fix_text(line) != line:  # open_clip mends encodings, transformers does not
            continue
        if a[:a.index(end) + 1] != b[:b.index(end) + 1] if end in a and end in b else a != b:
            wrong.append(line)
    checks.true(f"{len(wrong)} of {len(lines)} lines have other ids: {wrong[:3]}", not wrong)
    checks.finish()


def siglip_tokenizer(folder, file, texts):
    import open_clip
    ours, lines, checks = datasets(file)["ids"], lines_of(texts), Checks()
    peer = open_clip.get_tokenizer(f"local-dir:{folder}")(lines, context_length=ours.shape[1])
    wrong = [line for line, a, b in zip(lines, ours, peer, strict=True) if not has_loose_marks(line) and not torch.equal(a, b)]
    checks.true(f"{len(wrong)} of {len(lines)} lines have other ids: {wrong[:3]}", not wrong)
    checks.finish()


def pixels(folder, file, *pictures):
    from PIL import Image
    kind = read_json(f"{folder}/preprocessor_config.json")["image_processor_type"]
    # The one that resizes by Pillow, where there are two; it converts to RGB first, we and open_clip last.
    processor = getattr(transformers, f"{kind}Pil", getattr(transformers, kind)).from_pretrained(folder)
    ours, checks = datasets(file), Checks()
    steps = 1 / 255 / torch.tensor(processor.image_std).view(3, 1, 1)  # of one grey level
    for picture, row in zip(pictures, ours["inputs"], strict=True):
        if Image.open(picture).mode != "RGB" or any(name in picture for name in ("tall", "wide")):
            continue  # of an odd rest it crops the smaller half first, torchvision and open_clip the rounded one
        peer = processor(Image.open(picture), return_tensors="pt").pixel_values[0]
        checks.equal(picture, row / steps, peer / steps, 0, 2)
    checks.true(f"{checks.count} pictures are compared", checks.count > 5)
    checks.finish()


{"save": save, "features": features, "equal": equal, "tokenizer": tokenizer, "siglip_tokenizer": siglip_tokenizer,
 "pixels": pixels}[sys.argv[1]](*sys.argv[2:])
