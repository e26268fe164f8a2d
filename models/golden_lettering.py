#!/usr/bin/env python3
"""What ONNX Runtime makes of a sign with models/lettering-*.onnx, for the tests.

    /tmp/venv/bin/pip install -r models/requirements.txt
    /tmp/venv/bin/python models/lettering.py /tmp/lines.onnx
    /tmp/venv/bin/python models/golden_lettering.py /tmp/lines.onnx

Draws the sign too, in Pillow's own font, beside the golden file.
"""
import json, sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "src/analyse/lettering"
WIDTH, HEIGHT = 224, 160  # looked at as it is: multiples of 32
TOP, TALL = 56, 48  # rows that are read as they are


def sign():
    """RGB, [height, width, 3]: a shaded board with one line of letters."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    shade = np.stack([40 + x // 4, 90 + y // 2, 150 - x // 4], 2).astype(np.uint8)
    image = Image.fromarray(shade)
    ImageDraw.Draw(image).text((WIDTH / 2, HEIGHT / 2), "JCN 1234", (250, 240, 220), ImageFont.load_default(40), "mm")
    return image


def planes(pixels):
    """BGR, -1..1, [1, 3, height, width]."""
    return np.ascontiguousarray((pixels[:, :, ::-1].astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None])


def run(path, pixels):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": planes(pixels)})[0][0]


OUT.mkdir(parents=True, exist_ok=True)
sign().save(OUT / "sign.png", optimize=True)
pixels = np.asarray(Image.open(OUT / "sign.png").convert("RGB"))
text_map = run(sys.argv[1], pixels)[0]
points = [(x, y) for y in range(8, HEIGHT, 16) for x in range(16, WIDTH, 32)]
points += [(x, y) for y in (68, 74, 80, 86, 92) for x in (24, 60, 112, 160, 200)]
logits = run(HERE / "lettering-words.onnx", pixels[TOP : TOP + TALL])
characters = (HERE / "lettering-characters.txt").read_bytes().decode().split("\n")[:-1]
best = logits.argmax(1)
chances = 1 / np.exp(logits - logits.max(1, keepdims=True)).sum(1)
kept = [i for i, k in enumerate(best) if k != 0 and (i == 0 or k != best[i - 1])]
golden = {
    "width": WIDTH,
    "height": HEIGHT,
    # [x, y, probability]
    "map": [[x, y, round(float(text_map[y, x]), 5)] for x, y in sorted(set(points))],
    "top": TOP,
    "tall": TALL,
    "text": "".join(characters[best[i] - 1] for i in kept),
    "score": round(float(np.mean(chances[kept])), 5),
    # Of each step its best class. [step, class, logit]: the blank, some others and the best one.
    "best": best.tolist(),
    "logits": [[i, k, round(float(logits[i, k]), 4)] for i in range(0, len(logits), 3) for k in sorted({0, 1, 9000, 18709, int(best[i])})],
}
(OUT / "golden.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n")
print(f"{golden['text']!r} {golden['score']}, map up to {text_map.max():.3f}")
