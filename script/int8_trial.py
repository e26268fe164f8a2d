"""What eight-bit weights would win: ONNX Runtime's dynamic quantisation of CLIP ViT-B/32 (random weights) against
its own f32, in turns, and the cosine of both. Run in script/bench-clip's environment:

    target/parity-tools/bin/python script/int8_trial.py [SECONDS]
"""
import sys, tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import open_clip
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

import clip_reference
from bench_clip import Image, rate

BATCH = 4
ROUNDS = 3


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3
    torch.manual_seed(7)
    with tempfile.TemporaryDirectory() as tmp, torch.inference_mode():
        folder = Path(tmp)
        clip = open_clip.model.CLIP(**open_clip.get_model_config(clip_reference.OPENAI["ViT-B-32"])).eval()
        torch.backends.mha.set_fastpath_enabled(False)
        with torch.no_grad():
            torch.onnx.export(Image(clip), torch.zeros(1, 3, 224, 224), folder / "f32.onnx", dynamo=False,
                              input_names=["x"], dynamic_axes={"x": {0: "n"}}, opset_version=17)
        quantize_dynamic(folder / "f32.onnx", folder / "int8.onnx", weight_type=QuantType.QInt8)
        sessions = {}
        for name in ("f32", "int8"):
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 2
            sessions[name] = onnxruntime.InferenceSession(folder / f"{name}.onnx", options, providers=["CPUExecutionProvider"])
        x = torch.randn(BATCH, 3, 224, 224).numpy()
        unit = lambda v: v / np.linalg.norm(v, axis=1, keepdims=True)
        a, b = (unit(sessions[n].run(None, {"x": x})[0]) for n in ("f32", "int8"))
        rates = {n: [] for n in sessions}
        for _ in range(ROUNDS):
            for name, session in sessions.items():
                rates[name].append(rate(seconds, lambda: session.run(None, {"x": x}), BATCH))
        middle = {n: sorted(r)[len(r) // 2] for n, r in rates.items()}
        print(f"int8 {middle['int8']:.1f} images/s, f32 {middle['f32']:.1f}, ratio {middle['int8'] / middle['f32']:.2f}; "
              f"least cosine of int8 and f32 {(a * b).sum(1).min():.4f} on random weights")


if __name__ == "__main__":
    main()
