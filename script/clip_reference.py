#!/usr/bin/env python3
"""CLIP as open_clip and transformers compute it: goldens for the tests, and full-size parity.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install -r script/clip-requirements.txt
    /tmp/venv/bin/python script/clip_reference.py golden     # rewrites src/embed/clip/golden/
    script/parity                                            # full sizes, against a built vsearch

Trained weights are not needed: every tensor is filled from a hash of its name and position, in
the same way here and in src/embed/clip/tests.rs.
"""
import copy, json, subprocess, sys, tempfile
from pathlib import Path

import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parent.parent
SENTENCES = ["a photo of a white car", "two people riding bicycles at night, in the rain!", "x"]
CHINESE_SENTENCES = ["\u7a7f\u7740\u84dd\u8272\u4e0a\u8863\u9a91\u81ea\u884c\u8f66\u7684\u4eba", "\u767d\u8272\u7684 BMW, 3 cars", "\u4eba"]
OPENAI = {
    "ViT-B-32": "ViT-B-32-quickgelu", "ViT-B-16": "ViT-B-16-quickgelu", "ViT-L-14": "ViT-L-14-quickgelu",
    "ViT-L-14-336": "ViT-L-14-336-quickgelu", "RN50": "RN50-quickgelu", "RN101": "RN101-quickgelu",
    "RN50x4": "RN50x4-quickgelu", "RN50x16": "RN50x16-quickgelu", "RN50x64": "RN50x64-quickgelu",
}


# --- weights ------------------------------------------------------------------------------

def uniform(name, count):
    """`count` numbers in [0, 1): a hash of the tensor's name (FNV-1a) and the position."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x01000193) & 0xFFFFFFFF
    with np.errstate(over="ignore"):
        h = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(seed)
        h = (h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D)
        h = (h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B)
        h = h ^ (h >> np.uint32(16))
    return (h >> np.uint32(8)).astype(np.float32) / np.float32(1 << 24)


def filled(name, shape):
    if name == "logit_scale":
        return np.float32(4.6052)
    u = uniform(name, int(np.prod(shape)))
    if name.endswith("running_var"):
        v = u + np.float32(0.5)
    elif len(shape) > 1:
        fan_in = int(np.prod(shape[1:]))
        v = (u - np.float32(0.5)) * np.float32(np.sqrt(np.float32(12.0) / np.float32(fan_in)))
    elif name.endswith(".weight"):
        v = np.float32(1) + np.float32(0.2) * (u - np.float32(0.5))
    else:
        v = np.float32(0.2) * (u - np.float32(0.5))
    return v.reshape(shape)


def fill(model):
    """Fills a model; returns its tensors, counters and fixed tables left out."""
    state = model.state_dict()
    left_out = ("num_batches_tracked", "attn_mask", "position_ids")
    tensors = {k: torch.from_numpy(np.asarray(filled(k, tuple(v.shape)))) for k, v in state.items() if not k.endswith(left_out)}
    model.load_state_dict(tensors, strict=False)
    model.eval()
    return tensors


# --- pictures and models --------------------------------------------------------------------

def picture():
    """260 x 224: smooth colours with a bright disc; the tests make the same one."""
    y, x = np.mgrid[0:224, 0:260]
    rgb = np.stack([x % 256, y, (x + y) // 2 % 256], -1).astype(np.uint8)
    rgb[(x - 130) ** 2 + (y - 112) ** 2 < 60**2] = (250, 200, 20)
    return Image.fromarray(rgb)


def preprocess(size):
    from open_clip.transform import image_transform
    return image_transform(size, is_train=False)


@torch.no_grad()
def vectors(image_features, text_features, size, tokenizer=None, sentences=SENTENCES):
    unit = lambda v: (v / v.norm(dim=-1, keepdim=True))[0].double().numpy()
    image = unit(image_features(preprocess(size)(picture())[None]))
    tokenizer = tokenizer or open_clip.get_tokenizer("ViT-B-32")
    return image, [unit(text_features(tokenizer([s]))) for s in sentences]


def from_open_clip(cfg, dir):
    """Writes the model in open_clip's layout; returns its vectors and tensors."""
    cfg = copy.deepcopy(cfg)
    quick = cfg.pop("quick_gelu", False)
    model = open_clip.model.CLIP(**cfg, quick_gelu=quick)
    tensors = fill(model)
    dir.mkdir(parents=True, exist_ok=True)
    save_file(tensors, dir / "open_clip_model.safetensors")
    (dir / "open_clip_config.json").write_text(json.dumps({"model_cfg": cfg | {"quick_gelu": quick}}))
    size = cfg["vision_cfg"]["image_size"]
    return vectors(model.encode_image, model.encode_text, size), tensors


def from_transformers(cfg, dir):
    from transformers import CLIPConfig, CLIPModel
    model = CLIPModel(CLIPConfig(**cfg))
    tensors = fill(model)
    dir.mkdir(parents=True, exist_ok=True)
    save_file(tensors, dir / "model.safetensors")
    config = model.config.to_dict()
    (dir / "config.json").write_text(json.dumps(config, default=str))
    features = lambda out: out if isinstance(out, torch.Tensor) else out.pooler_output
    image = lambda p: features(model.get_image_features(pixel_values=p))
    # The reader stops at the first end token; what pads the rest cannot reach it.
    text = lambda ids: features(model.get_text_features(input_ids=ids))
    return vectors(image, text, config["vision_config"]["image_size"]), tensors


def from_chinese_clip(cfg, dir):
    """Chinese-CLIP in transformers' layout, with a small vocabulary of our own in its vocab.txt."""
    from transformers import BertTokenizer, ChineseCLIPConfig, ChineseCLIPModel
    model = ChineseCLIPModel(ChineseCLIPConfig(**cfg))
    tensors = fill(model)
    dir.mkdir(parents=True, exist_ok=True)
    save_file(tensors, dir / "model.safetensors")
    (dir / "config.json").write_text(json.dumps(model.config.to_dict(), default=str))
    (dir / "vocab.txt").write_text("".join(t + "\n" for t in vocabulary(cfg["text_config"]["vocab_size"])))
    tokenizer = BertTokenizer(str(dir / "vocab.txt"), do_lower_case=True)
    tokens = lambda s: torch.tensor([tokenizer(s[0])["input_ids"]])
    features = lambda out: out if isinstance(out, torch.Tensor) else out.pooler_output
    image = lambda p: features(model.get_image_features(pixel_values=p))
    text = lambda ids: features(model.get_text_features(input_ids=ids))
    return vectors(image, text, cfg["vision_config"]["image_size"], tokens, CHINESE_SENTENCES), tensors


def vocabulary(size):
    letters = [chr(c) for c in range(33, 127) if not chr(c).isupper()]
    han = sorted({c for s in CHINESE_SENTENCES for c in s if c > "\u3000" and c != "\u9a91"})
    known = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *("##" + c for c in letters), *han, "car", "##ing"]
    return known + [f"[unused{i}]" for i in range(size - len(known))]


# --- goldens --------------------------------------------------------------------------------

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2}
TINY = {
    "vit": {"embed_dim": 32, "vision_cfg": {"image_size": 48, "layers": 2, "width": 64, "patch_size": 8, "head_width": 32}, "text_cfg": TEXT},
    "vit-quickgelu": {"embed_dim": 32, "quick_gelu": True, "vision_cfg": {"image_size": 32, "layers": 3, "width": 64, "patch_size": 16, "head_width": 16}, "text_cfg": TEXT},
    "resnet": {"embed_dim": 32, "quick_gelu": True, "vision_cfg": {"image_size": 96, "layers": [2, 1, 1, 1], "width": 16, "head_width": 64}, "text_cfg": TEXT},
}
TINY_TRANSFORMERS = {
    "projection_dim": 32,
    "vision_config": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 48, "patch_size": 16, "projection_dim": 32},
    "text_config": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "projection_dim": 32, "eos_token_id": 49407, "bos_token_id": 49406},
}

TINY_CHINESE = {
    "projection_dim": 32,
    "vision_config": TINY_TRANSFORMERS["vision_config"],
    "text_config": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 300, "max_position_embeddings": 64},
}
# OFA-Sys/chinese-clip-vit-base-patch16: BERT base with the vocabulary of Chinese BERT.
CHINESE = {"vision_config": {"patch_size": 16, "image_size": 224}, "text_config": {"vocab_size": 21128}}


def golden():
    out = ROOT / "src/embed/clip/golden"
    out.mkdir(exist_ok=True)
    cases = []
    with tempfile.TemporaryDirectory() as tmp:
        made = [(n, "open_clip", *from_open_clip(c, Path(tmp) / n)) for n, c in TINY.items()]
        made.append(("transformers", "transformers", *from_transformers(TINY_TRANSFORMERS, Path(tmp) / "transformers")))
        made.append(("chinese-clip", "transformers", *from_chinese_clip(TINY_CHINESE, Path(tmp) / "chinese-clip")))
        for name, layout, (image, texts), tensors in made:
            file = "open_clip_config.json" if layout == "open_clip" else "config.json"
            chinese = name == "chinese-clip"
            sentences = CHINESE_SENTENCES if chinese else SENTENCES
            cases.append({
                "vocabulary": vocabulary(300) if chinese else None,
                "name": name, "layout": layout, "config": json.loads((Path(tmp) / name / file).read_text()),
                "tensors": {k: list(v.shape) for k, v in tensors.items()},
                "image": [round(float(v), 6) for v in image],
                "texts": [{"text": s, "vector": [round(float(v), 6) for v in t]} for s, t in zip(sentences, texts)],
            })
    (out / "models.json").write_text(json.dumps(cases) + "\n")
    pixels = np.asarray(preprocess_pixels(picture(), 224))
    Image.fromarray(pixels).save(out / "preprocessed-224.png")
    Image.fromarray(np.asarray(preprocess_pixels(picture(), 97))).save(out / "preprocessed-97.png")
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    with (out / "tokens.jsonl").open("w") as f:
        for s in strings():
            ids = tokenizer([s])[0].tolist()
            ids = ids[: ids.index(49407) + 1]
            f.write(json.dumps([s, ids], ensure_ascii=True, separators=(",", ":")) + "\n")


def preprocess_pixels(image, size):
    """torchvision's resize and crop, before it leaves Pillow."""
    steps = preprocess(size).transforms
    return steps[1](steps[0](image))


def strings():
    """Over 2,000 sentences of every kind a query can hold. Seeded."""
    import random
    rng = random.Random(7)
    words = Path(ROOT / "models/clip-merges.txt").read_text().replace("</w>", "").split()
    words = [w for w in words if w.isascii() and w.isalpha() and len(w) > 2]
    fixed = ["", " ", "a", "A White BMW", "don't we'll they've I'm it's he'd you're", "3 cars & 2 dogs", "a truck printed with JCN",
             "&amp; &lt;b&gt; &quot;x&quot; &#39;y&#39; &amp;amp;lt;", "&eacute;t&eacute; &copy; 2026 &euro;5", "<|startoftext|> hidden <|endoftext|>",
             "caf\u00e9 na\u00efve \u00fcber \u00c5ngstr\u00f6m", "\u7a7f\u7740\u84dd\u8272\u4e0a\u8863\u9a91\u81ea\u884c\u8f66\u7684\u4eba", "\u767d\u3044\u8eca \u30c8\u30e9\u30c3\u30af",
             "\u0431\u0435\u043b\u044b\u0439 \u0430\u0432\u0442\u043e\u043c\u043e\u0431\u0438\u043b\u044c", "\u0633\u064a\u0627\u0631\u0629 \u0628\u064a\u0636\u0627\u0621", "\U0001f697\U0001f6b2 \U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f",
             "tab\tnew\nline\r\nend", "\u00a0non\u00a0breaking\u2003space", "zero\u200bwidth", "\u201cquotes\u201d \u2018single\u2019 \u2013 dash \u2014 long \u2026",
             "\uff21\uff22\uff23 full width \uff11\uff12", "\ufb01ne \ufb02ow", "12345 1,000.50 \u00bd \u2168 \u0663", "http://example.org/a?b=c&d=e", "x" * 500, "_under_score_ #tag @user $5 50%",
             "\u0130stanbul \u1e9e \u00df \u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", "e\u0301 decomposed", "a\u0000b\u0001c\u001fd", "\x1b[31mred\x1b[0m"]
    yield from fixed
    for n in (100, 300, 77, 75, 76):
        yield " ".join(rng.choice(words) for _ in range(n))
    accents = "\u00e9\u00e8\u00fc\u00f6\u00e4\u00df\u00f1\u00e7\u00e5\u00f8\u0142\u017e\u010d\u0151"
    cjk = "\u4eba\u8f66\u9a91\u884c\u7ea2\u8272\u767d\u72d7\u732b\u8def\u591c\u96e8\u5929\u7a7a\u96ea\u5c71\u6c34\u3042\u3044\u30ab\u30bf\ud55c\uad6d"
    emoji = "\U0001f697\U0001f6b4\U0001f436\U0001f431\U0001f319\u2600\u2614\U0001f3c3\U0001f46e\U0001f69a"
    entities = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&#x27;", "&nbsp;", "&eacute;", "&mdash;", "&hellip;"]
    marks = ".,;:!?-/()[]{}*+=~^|\\\"'"
    while True:
        parts = []
        for _ in range(rng.randint(1, 12)):
            kind = rng.random()
            word = rng.choice(words)
            if kind < 0.5:
                parts.append(rng.choice([word, word.title(), word.upper()]))
            elif kind < 0.6:
                parts.append(word[:2] + rng.choice(accents) + word[2:])
            elif kind < 0.68:
                parts.append("".join(rng.choice(cjk) for _ in range(rng.randint(1, 6))))
            elif kind < 0.74:
                parts.append(rng.choice(emoji))
            elif kind < 0.8:
                parts.append(rng.choice(entities))
            elif kind < 0.88:
                parts.append(str(rng.randint(0, 99999)))
            elif kind < 0.95:
                parts.append(word + rng.choice(marks))
            else:
                parts.append(word + rng.choice(["'s", "'t", "'re", "'ve", "'ll", "'D", "\t", "\n", "  "]))
        yield rng.choice([" ", " ", " ", ""]).join(parts)
        strings.count = getattr(strings, "count", 0) + 1
        if strings.count >= 2000:
            return


# --- parity ---------------------------------------------------------------------------------

def embed(vsearch, dir, *what):
    out = subprocess.run([vsearch, "embed", "--model", str(dir), *what], check=True, capture_output=True, text=True).stdout
    return np.array(json.loads(out)["vector"])


def parity(vsearch, only):
    torch.set_num_threads(2)
    worst = 1.0
    cases = [(n, lambda d, c=c: from_open_clip(open_clip.get_model_config(c), d)) for n, c in OPENAI.items()]
    cases.append(("transformers-ViT-B-32", lambda d: from_transformers({"text_config": {"eos_token_id": 49407}}, d)))
    cases.append(("Chinese-CLIP-ViT-B-16", lambda d: from_chinese_clip(CHINESE, d)))
    for name, make in cases:
        if only and name not in only:
            continue
        sentences = CHINESE_SENTENCES if name.startswith("Chinese") else SENTENCES
        with tempfile.TemporaryDirectory() as tmp:
            (image, texts), _ = make(Path(tmp) / name)
            path = Path(tmp) / "picture.png"
            picture().save(path)
            cosines = [float(image @ embed(vsearch, Path(tmp) / name, "--image", str(path)))]
            cosines += [float(t @ embed(vsearch, Path(tmp) / name, "--text", s)) for s, t in zip(sentences, texts)]
            int8 = ""
            if not name.startswith("RN"):
                rounded = embed(vsearch, Path(tmp) / name, "--image", str(path), "--device", "cpu-int8")
                int8 = f"; image in eight bits {float(image @ rounded):.6f}"
        worst = min(worst, *cosines)
        print(f"{name}: cosine image {cosines[0]:.6f}, text {min(cosines[1:]):.6f}{int8}", flush=True)
    print(f"worst cosine: {worst:.6f} ({'at least' if worst >= 0.9999 else 'BELOW'} 0.9999)")
    sys.exit(worst < 0.9999)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["golden"]:
            golden()
        case ["parity", vsearch, *only]:
            parity(vsearch, only)
        case _:
            sys.exit(__doc__)
