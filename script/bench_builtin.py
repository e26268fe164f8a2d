"""The comparison behind script/bench-builtin: ours and ONNX Runtime, in turns."""
import json, os, subprocess, sys, time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parent.parent
STAGES = [(1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1)]
ROUNDS = 3


def network():
    """EfficientNet-Lite0 as ONNX, from the weights vsearch ships, in f32, batch norm folded."""
    weights = load_file(ROOT / "models/builtin.safetensors")
    nodes, constants = [], []

    def constant(name, value):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    def node(op, inputs, name, **attributes):
        nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def conv(x, name, kernel, stride, relu, depthwise=False):
        w = weights[f"image.{name}.weight"].astype(np.float32)
        if depthwise:
            kernel = w.shape[0]
            w = w.transpose(2, 0, 1)[:, None]
        else:
            w = w.reshape(kernel, kernel, -1, w.shape[-1]).transpose(3, 2, 0, 1)
        inputs = [x, constant(name + ".w", w), constant(name + ".b", weights[f"image.{name}.bias"])]
        y = node("Conv", inputs, name, kernel_shape=[kernel] * 2, strides=[stride] * 2,
                 auto_pad="SAME_UPPER", group=w.shape[0] if depthwise else 1)
        return node("Clip", [y, "zero", "six"], name + ".relu6") if relu else y

    constant("zero", np.array(0)), constant("six", np.array(6))
    x = conv("image", "stem", 3, 2, True)
    strides = [s if i == 0 else 1 for n, s in STAGES for i in range(n)]
    widths = [weights[f"image.blocks.{i}.project.bias"].shape[0] for i in range(16)]
    for i, stride in enumerate(strides):
        b, y = f"blocks.{i}.", x
        if f"image.{b}expand.weight" in weights:
            y = conv(y, b + "expand", 1, 1, True)
        y = conv(y, b + "depthwise", 0, stride, True, depthwise=True)
        y = conv(y, b + "project", 1, 1, False)
        same = i > 0 and stride == 1 and widths[i] == widths[i - 1]
        x = node("Add", [x, y], b + "sum") if same else y
    x = conv(x, "head", 1, 1, True)
    x = node("Flatten", [node("GlobalAveragePool", [x], "pool")], "flat")
    matrix = constant("fc.w", weights["image.classifier.weight"])
    x = node("Gemm", [x, matrix, constant("fc.b", weights["image.classifier.bias"])], "logits")
    graph = helper.make_graph(
        nodes, "lite0", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 224, 224])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 1000])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model.SerializeToString()


def onnx_rate(seconds, threads, batch):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(network(), options, providers=["CPUExecutionProvider"])
    noise = np.random.default_rng(7).uniform(-1, 1, (batch, 3, 224, 224)).astype(np.float32)
    for _ in range(3):
        session.run(None, {"image": noise})
    images, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        session.run(None, {"image": noise})
        images += batch
    return images / (time.perf_counter() - start)


def our_rate(seconds):
    command = ["cargo", "bench", "--quiet", "--locked", "-p", "vsearch-benches", "--bench", "embed", "--", "builtin", str(seconds)]
    out = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return json.loads(out.strip().splitlines()[-1])


def main():
    seconds = int(sys.argv[1])
    ours, theirs = [], []
    for _ in range(ROUNDS):
        line = our_rate(seconds)
        ours.append(line["images_per_second"])
        theirs.append(max(onnx_rate(seconds / 2, line["workers"], b) for b in (1, line["batch"])))
    middle = lambda rates: sorted(rates)[len(rates) // 2]
    print(f"vsearch built-in model: {middle(ours):.1f} images/s on {line['workers']} cores "
          f"(runs: {', '.join(f'{r:.1f}' for r in ours)})")
    print(f"ONNX Runtime {onnxruntime.__version__}: {middle(theirs):.1f} images/s on as many threads, "
          f"the better of batch 1 and {line['batch']} (runs: {', '.join(f'{r:.1f}' for r in theirs)})")
    print(f"ratio vsearch / ONNX Runtime: {middle(ours) / middle(theirs):.2f}")


if __name__ == "__main__":
    main()
