"""Average precision at IoU .5 and rate of vsearch's detector beside ONNX Runtime's run of the same weights, with the
same post-processing, on pictures with every object labelled (objects.json). Called by script/bench-objects."""
import json, sys, time
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
ASKED = "person bicycle car bus truck dog backpack bottle cup chair".split()
MEAN = np.array([103.53, 116.28, 123.675], np.float32)
DEVIATION = np.array([57.375, 57.12, 58.395], np.float32)
SIDE, MULTIPLE, MINIMUM, SAME, LOOKED_AT = 416, 32, 0.05, 0.6, 300
ROUNDS = 3


def overlap(one, others):
    left, top = np.maximum(one[0], others[:, 0]), np.maximum(one[1], others[:, 1])
    right, bottom = np.minimum(one[2], others[:, 2]), np.minimum(one[3], others[:, 3])
    both = np.clip(right - left, 0, None) * np.clip(bottom - top, 0, None)
    area = lambda b: (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])
    return both / (area(one) + area(others) - both + 1e-9)


def size(width, height):
    side = lambda length: max(1, int(length * SIDE / max(width, height) / MULTIPLE + 0.5)) * MULTIPLE
    return side(width), side(height)


class Peer:
    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(sys.argv[2], options, providers=["CPUExecutionProvider"])

    def given(self, picture):
        planes = np.asarray(picture.resize(size(*picture.size), Image.BILINEAR), np.float32)[:, :, ::-1]
        return np.ascontiguousarray(((planes - MEAN) / DEVIATION).transpose(2, 0, 1)[None])

    def detect(self, picture):
        data = self.given(picture)
        height, width = data.shape[2:]
        output = self.session.run(None, {"data": data})[0][0]
        points = []
        for stride in (8, 16, 32):
            y, x = np.mgrid[0 : height // stride, 0 : width // stride]
            points.append(np.stack([(x.ravel() + 0.5) * stride, (y.ravel() + 0.5) * stride, np.full(x.size, stride)], 1))
        points = np.concatenate(points)
        keep = output[:, :80].max(1) >= MINIMUM
        scores, points = output[keep, :80], points[keep]
        logits = output[keep, 80:].reshape(-1, 4, 11)
        share = np.exp(logits - logits.max(2, keepdims=True))
        distance = (share / share.sum(2, keepdims=True) * np.arange(11)).sum(2) * points[:, 2:]
        boxes = np.concatenate([points[:, :2] - distance[:, :2], points[:, :2] + distance[:, 2:]], 1)
        across = np.array([picture.width / width, picture.height / height] * 2)
        boxes = np.clip(boxes * across, 0, [picture.width, picture.height] * 2)
        found = []
        for label in range(80):
            order = np.where(scores[:, label] >= MINIMUM)[0]
            order = order[np.argsort(-scores[order, label])][:LOOKED_AT]
            while len(order):
                best, order = order[0], order[1:]
                found.append((label, float(scores[best, label]), boxes[best]))
                order = order[overlap(boxes[best], boxes[order]) <= SAME]
        return found


def average_precision(found, truth, label):
    """All-point interpolation; the greatest overlap not yet taken counts."""
    rows, there = [], 0
    for detections, objects in zip(found, truth):
        mine = np.array([o[1] for o in objects if o[0] == label]).reshape(-1, 4)
        there += len(mine)
        taken = set()
        for _, score, box in sorted((d for d in detections if d[0] == label), key=lambda d: -d[1]):
            overlaps = overlap(np.asarray(box, float), mine) if len(mine) else []
            free = [j for j in np.argsort(overlaps)[::-1] if j not in taken] if len(mine) else []
            right = bool(free) and overlaps[free[0]] >= 0.5
            taken.update(free[:1] if right else [])
            rows.append((score, right))
    if not there:
        return None
    rows.sort(key=lambda r: -r[0])
    right = np.array([r[1] for r in rows], bool)
    recall = np.cumsum(right) / there
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(np.concatenate([[0], recall])) * precision)) if len(rows) else 0.0


def main(folder):
    names = [line.strip().strip('",') for line in (ROOT / "src/types/object/class.rs").read_text().split("= [")[1].split("];")[0].splitlines() if line.strip()]
    ours, seconds = {}, None
    for line in map(json.loads, sys.stdin):
        if "file" in line:
            box = lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]
            ours[line["file"]] = [(names.index(o["class"]), o["score"], box(o["box"])) for o in line["objects"]]
        else:
            seconds = line["seconds"]
    labelled = json.loads((folder / "objects.json").read_text())
    truth = [[(names.index(o["class"]), [o["box"][0], o["box"][1], o["box"][0] + o["box"][2], o["box"][1] + o["box"][3]]) for o in p["objects"]] for p in labelled]
    pictures = [Image.open(folder / p["file"]).convert("RGB") for p in labelled]
    peer = Peer()
    theirs = [peer.detect(p) for p in pictures]
    given = [peer.given(p) for p in pictures]
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for data in given:
            peer.session.run(None, {"data": data})
        best = min(best, time.perf_counter() - start)
    mine = [ours[p["file"]] for p in labelled]
    print(f"{len(pictures)} pictures; average precision at IoU .5")
    print(f"{'class':<12} {'there':>5} {'vsearch':>8} {'onnxruntime':>12}")
    scored = []
    for label, name in enumerate(names):
        there = sum(o[0] == label for t in truth for o in t)
        pair = average_precision(mine, truth, label), average_precision(theirs, truth, label)
        if there:
            scored.append(pair)
        if name in ASKED:
            print(f"{name:<12} {there:>5} {pair[0]:>8.3f} {pair[1]:>12.3f}")
    means = np.mean(scored, 0)
    print(f"{'mean of ' + str(len(scored)):<12} {'':>5} {means[0]:>8.3f} {means[1]:>12.3f}   (greatest difference {max(abs(a - b) for a, b in scored):.3f})")
    print(f"one thread: vsearch {len(pictures) / seconds:.1f} pictures/s with resizing and boxes, onnxruntime {len(pictures) / best:.1f} without (vsearch / onnxruntime {best / seconds:.2f})")


main(Path(sys.argv[1]))
