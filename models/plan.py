"""Turns the ONNX graph of a small convolutional network into the one file that vsearch runs it from.

    from plan import write_plan
    write_plan(model, HERE / "detector.safetensors")

The file is safetensors: weights, and under `plan` in its metadata, as JSON, steps over numbered values, each
[height, width, channels] in memory (network/src). Weights of convolutions are [kernel height * kernel width *
channels in, channels out], those of depthwise ones [kernel height, kernel width, channels]. A transposed convolution is
one of 1 x 1 that makes four pixels of each, and a step that spreads them.

What can be done in one go is one step: a convolution with its activation and with what is added to it, an
upsampling with what is added. Channels are joined by none: a convolution takes several inputs.
"""
import hashlib, json, struct

import numpy as np
from onnx import helper, numpy_helper

ACTIVATIONS = {"Relu": "relu", "LeakyRelu": "leaky_relu", "HardSigmoid": "hard_sigmoid", "Sigmoid": "sigmoid", "Gelu": "gelu"}
DTYPES = {np.dtype(np.float16): "F16", np.dtype(np.float32): "F32"}


class Nodes:
    """The nodes of a graph, of which some are taken together."""

    def __init__(self, graph):
        self.values = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        self.list = []
        for node in graph.node:
            if node.op_type == "Cast":
                self.values[node.output[0]] = self.values[node.input[0]]
            else:
                given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
                self.list.append(dict(op=node.op_type, ins=list(node.input), outs=list(node.output), given=given))
        self.outputs = [o.name for o in graph.output]

    def users(self, name):
        return [n for n in self.list if name in n["ins"]] + [None] * (name in self.outputs)

    def user(self, name, *ops):
        """The only user of a value, where it is one of `ops`."""
        users = self.users(name)
        return users[0] if len(users) == 1 and users[0] and users[0]["op"] in ops else None

    def maker(self, name, *ops):
        return next((n for n in self.list if name in n["outs"] and n["op"] in ops), None)

    def scalar(self, node):
        """The constant beside the one input of a node."""
        return next((float(self.values[i]) for i in node["ins"] if i in self.values and self.values[i].size == 1), None)

    def drop(self, *nodes):
        self.list = [n for n in self.list if not any(n is d for d in nodes)]

    def other(self, node, name):
        [other] = [i for i in node["ins"] if i != name]
        return other


def gelus(nodes):
    """x * (1 + erf(x / sqrt 2)) / 2: one node where there are five."""
    for erf in [n for n in nodes.list if n["op"] == "Erf"]:
        div = nodes.maker(erf["ins"][0], "Div")
        add = nodes.user(erf["outs"][0], "Add")
        mul = nodes.user(add["outs"][0], "Mul")
        half = nodes.user(mul["outs"][0], "Mul")
        x = div["ins"][0]
        assert abs(nodes.scalar(div) - 2**0.5) < 1e-6 and nodes.scalar(add) == 1 and nodes.scalar(half) == 0.5
        assert x in mul["ins"]
        half.update(op="Gelu", ins=[x], given={})
        nodes.drop(div, erf, add, mul)


def squeezes(nodes):
    """x * gate; of x + x * gate the gate becomes 1 more."""
    for mul in [n for n in nodes.list if n["op"] == "Mul"]:
        gate = next(g for i in mul["ins"] if (g := nodes.maker(i, "HardSigmoid")))
        x = nodes.other(mul, gate["outs"][0])
        mul.update(op="Scale", ins=[x, gate["outs"][0]])
        add = nodes.user(mul["outs"][0], "Add")
        if add and x in add["ins"] and nodes.user(gate["outs"][0], "Scale"):
            gate["given"]["plus"] = 1.0
            mul["outs"] = add["outs"]
            nodes.drop(add)


def heads(nodes):
    """Maps that are joined as rows of points, of which the first channels are scores: each is an output."""
    for split in [n for n in nodes.list if n["op"] == "Split"]:
        rows = nodes.maker(split["ins"][0], "Transpose")
        points = nodes.maker(rows["ins"][0], "Concat")
        maps = [nodes.maker(i, "Reshape") for i in points["ins"]]
        sigmoid, joined = nodes.user(split["outs"][0], "Sigmoid"), nodes.user(split["outs"][1], "Concat")
        assert joined["ins"] == [sigmoid["outs"][0], split["outs"][1]]
        scores = int(nodes.values[split["ins"][1]][0])
        nodes.drop(split, rows, points, sigmoid, joined, *maps)
        nodes.outputs = [m["outs"][0] for m in maps]
        nodes.list += [dict(op="Scores", ins=m["ins"][:1], outs=m["outs"], given={"channels": scores}) for m in maps]


class Plan:
    def __init__(self, nodes, source):
        self.nodes, self.numbers, self.steps, self.tensors = nodes, {source: 0}, [], {}

    def number(self, name):
        return self.numbers[name]

    def made(self, name):
        self.numbers[name] = len(self.numbers)
        return self.numbers[name]

    def tensor(self, array):
        name = f"w{len(self.tensors)}"
        self.tensors[name] = np.ascontiguousarray(array)
        return name

    def step(self, op, out, **fields):
        self.steps.append({"op": op, **fields, "out": self.made(out)})

    def inputs(self, name):
        """The values that make up one, joined by their channels."""
        concat = self.nodes.maker(name, "Concat")
        return [n for i in concat["ins"] for n in self.inputs(i)] if concat else [self.number(name)]

    def activation(self, out):
        """What follows a convolution and nothing else does: the name of its output, and the activation."""
        node = self.nodes.user(out, *ACTIVATIONS)
        if node is None:
            return out, {"kind": "none"}
        self.nodes.drop(node)
        act = {"kind": ACTIVATIONS[node["op"]]}
        act |= {k: float(np.float32(v)) for k, v in node["given"].items()}
        return node["outs"][0], act

    def convolution(self, node):
        given, (x, weight, bias) = node["given"], node["ins"]
        weight = self.nodes.values[weight]
        fields = {"bias": self.tensor(self.nodes.values[bias])}
        out, fields["act"] = self.activation(node["outs"][0])
        assert given["dilations"] == [1, 1]
        geometry = {"kernel": given["kernel_shape"], "stride": given["strides"], "pads": given["pads"]}
        if given.get("group", 1) > 1:
            assert given["group"] == weight.shape[0] and weight.shape[1] == 1 and fields.pop("act") == {"kind": "none"}
            fields["weight"] = self.tensor(weight[:, 0].transpose(1, 2, 0))
            return self.step("depthwise", out, **{"in": self.number(x)}, **fields, **geometry)
        fields["weight"] = self.tensor(weight.transpose(2, 3, 1, 0).reshape(-1, weight.shape[0]))
        add = self.nodes.user(out, "Add")
        if add and self.nodes.other(add, out) in self.numbers and fields["act"] == {"kind": "none"}:
            fields["add"] = self.number(self.nodes.other(add, out))
            out = add["outs"][0]
            self.nodes.drop(add)
        self.step("conv", out, **{"in": self.inputs(x)}, **fields, **geometry)

    def transposed(self, node):
        given, (x, weight, bias) = node["given"], node["ins"]
        assert given["kernel_shape"] == given["strides"] == [2, 2] and not any(given["pads"])
        weight = self.nodes.values[weight]
        weight = self.tensor(weight.transpose(0, 2, 3, 1).reshape(weight.shape[0], -1))
        bias = self.tensor(np.tile(self.nodes.values[bias], 4))
        out, act = self.activation(node["outs"][0])
        geometry = {"kernel": [1, 1], "stride": [1, 1], "pads": [0] * 4}
        self.step("conv", node["outs"][0] + ".packed", **{"in": self.inputs(x)}, weight=weight, bias=bias, act=act, **geometry)
        self.step("spread", out, **{"in": self.numbers[node["outs"][0] + ".packed"]})

    def resized(self, node):
        given, (x, _, scales) = node["given"], node["ins"]
        _, _, factor, same = self.nodes.values[scales].tolist()
        mode = given["mode"].decode(), given["coordinate_transformation_mode"].decode(), given.get("nearest_mode", b"").decode()
        assert factor == same and mode in (("nearest", "asymmetric", "floor"), ("linear", "half_pixel", ""))
        fields = {"in": self.number(x), "factor": int(factor), "mode": mode[0]}
        out = node["outs"][0]
        if add := self.nodes.user(out, "Add"):
            other = self.nodes.other(add, out)
            scale = self.nodes.maker(other, "Scale")
            if scale and self.nodes.user(other, "Add"):  # it was put off
                other, gate = scale["ins"]
                fields["gate"] = self.number(gate)
            fields["add"] = self.number(other)
            out = add["outs"][0]
        self.step("upsample", out, **fields)
        if add:
            self.nodes.drop(add)

    def put_off(self, node):
        """Whether what follows scales as well."""
        add = self.nodes.user(node["outs"][0], "Add")
        return add and self.nodes.maker(self.nodes.other(add, node["outs"][0]), "Resize")

    def convert(self):
        while waiting := [n for n in self.nodes.list if n.get("done") is None]:
            node = waiting[0]
            node["done"] = True
            op, ins, given, out = node["op"], node["ins"], node["given"], node["outs"][0]
            if op == "Conv":
                self.convolution(node)
            elif op == "ConvTranspose":
                self.transposed(node)
            elif op == "Resize":
                self.resized(node)
            elif op == "MaxPool":
                self.step("max_pool", out, **{"in": self.number(ins[0])}, kernel=given["kernel_shape"], stride=given["strides"], pads=given["pads"])
            elif op == "AveragePool":
                assert given["kernel_shape"] == given["strides"] and not any(given.get("pads", []))
                self.step("average_pool", out, **{"in": self.number(ins[0])}, kernel=given["kernel_shape"])
            elif op == "GlobalAveragePool":
                self.step("global_average", out, **{"in": self.number(ins[0])})
            elif op == "Scale":
                if not self.put_off(node):
                    self.step("scale", out, **{"in": self.number(ins[0])}, gate=self.number(ins[1]))
            elif op == "Add":
                self.step("add", out, **{"in": [self.number(i) for i in ins]})
            elif op == "Scores":
                self.step("sigmoid", out, **{"in": self.number(ins[0])}, channels=given["channels"])
            elif op != "Concat":  # that is left to convolutions
                raise SystemExit(f"{op} is not known here")
        return {"values": len(self.numbers), "outputs": [self.number(o) for o in self.nodes.outputs], "steps": self.steps}


def safetensors(tensors, metadata):
    header, at = {"__metadata__": metadata}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": DTYPES[array.dtype], "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    header = json.dumps(header, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + b"".join(a.tobytes() for a in tensors.values())


def write_plan(model, path):
    """Writes what vsearch runs of an ONNX model."""
    nodes = Nodes(model.graph)
    for step in (gelus, squeezes, heads):
        step(nodes)
    plan = Plan(nodes, model.graph.input[0].name)
    text = json.dumps(plan.convert(), separators=(",", ":"))
    # Those of four bytes first, so that each lies at a multiple of its size.
    tensors = dict(sorted(plan.tensors.items(), key=lambda t: -t[1].dtype.itemsize))
    data = safetensors(tensors, {"plan": text})
    path.write_bytes(data)
    print(f"{path}: {path.stat().st_size} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}")
