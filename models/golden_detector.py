#!/usr/bin/env python3
"""What ONNX Runtime makes of a picture with the built-in detector, for the tests.

    /tmp/venv/bin/pip install -r models/requirements.txt
    /tmp/venv/bin/python models/detector.py /tmp/detector.onnx
    /tmp/venv/bin/python models/golden_detector.py /tmp/detector.onnx
"""
import json, sys
from pathlib import Path

import numpy as np
import onnxruntime

HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT = 160, 96
MEAN = np.array([103.53, 116.28, 123.675], np.float32)
DEVIATION = np.array([57.375, 57.12, 58.395], np.float32)


def picture():
    """RGB, [height, width, 3]; the tests draw the same."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    kind = (x // 24 + y // 24) % 3
    out = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    out[kind == 0] = [250, 200, 20]
    out[kind == 1] = np.stack([x % 256, y % 256, (x + y) // 2 % 256], 2)[kind == 1]
    out[kind == 2] = np.stack([0 * x + 30, 0 * x + 60, x * y % 251], 2)[kind == 2]
    return out


session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
planes = ((picture()[:, :, ::-1] - MEAN) / DEVIATION).transpose(2, 0, 1)[None].astype(np.float32)
output = session.run(None, {"data": planes})[0][0]
# Some of each grid, the surest among them.
points = sorted({0, 119, 240, 299, 300, 314, *np.argsort(-output[:, :80].max(1))[:4].tolist()})
rows = [[p, [round(float(v), 5) for v in output[p]]] for p in points if p < len(output)]
golden = {"width": WIDTH, "height": HEIGHT, "rows": rows}
(HERE.parent / "src/analyse/objects/golden.json").write_text(json.dumps(golden) + "\n")
print(f"{len(output)} points, {len(rows)} kept")
