"""The comparison behind script/bench-clip: vsearch, ONNX Runtime and PyTorch, in turns."""
import json, shutil, sqlite3, subprocess, sys, tempfile, time
from pathlib import Path

import numpy as np
import onnxruntime
import open_clip
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

import clip_reference

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 3
COPIES = 3
BATCHES = (1, 4, 16)
INT8 = "keyframes, cpu-int8"
POLICIES = {
    "keyframes": ["--keyframes"],
    "keyframes, gaps filled to 2 s": [],
    INT8: ["--keyframes", "--device", "cpu-int8"],
}
SENTENCE = "a person in blue riding a bicycle"  # as in benches/embed.rs


def rate(seconds, work, count):
    work()
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        work()
        done += count
    return done / (time.perf_counter() - start)


def our_rates(seconds, model, device="cpu"):
    command = ["cargo", "bench", "--quiet", "--locked", "-p", "vsearch-benches", "--bench", "embed", "--", str(model), device, str(seconds)]
    out = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return json.loads(out.strip().splitlines()[-1])


def pipeline(vsearch, model, footage, tmp, *options):
    """The vectors `vsearch index` makes of a folder, and the seconds it takes, opening the model included."""
    library = Path(tmp) / "library"
    start = time.perf_counter()
    subprocess.run([vsearch, "index", footage, "--library", library, "--model", model, "--fold", "off", "-q", *options],
                   check=True)
    took = time.perf_counter() - start
    db = sqlite3.connect(library / "catalog.sqlite")
    rows = db.execute("SELECT path, time, x, y, vector FROM vectors JOIN moments ON moments.id = moment_id "
                      "JOIN videos ON videos.id = video_id").fetchall()
    views = {tuple(view): unit(np.frombuffer(vector, np.float16).astype(np.float32)) for *view, vector in rows}
    db.close()
    for file in sorted(library.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    return views, took


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def copies(footage, tmp, count):
    """A folder with so many links to each video: the same work, longer."""
    folder = Path(tmp) / "copies"
    folder.mkdir()
    for file in Path(footage).iterdir():
        for n in range(count):
            (folder / f"{n}-{file.name}").hardlink_to(file) if same_disk(file, folder) else shutil.copy(file, folder / f"{n}-{file.name}")
    return folder


def same_disk(a, b):
    return a.stat().st_dev == b.stat().st_dev


class Image(torch.nn.Module):
    def __init__(self, clip):
        super().__init__()
        self.clip = clip

    def forward(self, x):
        return self.clip.encode_image(x)


def main():
    seconds = int(sys.argv[1])
    torch.manual_seed(7)
    with tempfile.TemporaryDirectory() as tmp, torch.inference_mode():
        folder = Path(tmp) / "ViT-B-32"
        config = open_clip.get_model_config(clip_reference.OPENAI["ViT-B-32"])
        clip_reference.from_open_clip(config, folder)
        threads = our_rates(1, folder)["workers"]
        torch.set_num_threads(threads)
        clip = open_clip.model.CLIP(**config).eval()
        tokenizer = open_clip.get_tokenizer("ViT-B-32")
        torch.backends.mha.set_fastpath_enabled(False)  # ONNX has no such operator
        with torch.no_grad():
            torch.onnx.export(Image(clip), torch.zeros(1, 3, 224, 224), folder / "image.onnx", dynamo=False,
                              input_names=["x"], dynamic_axes={"x": {0: "n"}}, opset_version=17)
        torch.backends.mha.set_fastpath_enabled(True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        quantize_dynamic(folder / "image.onnx", folder / "image-int8.onnx", weight_type=QuantType.QInt8)
        session, session_int8 = (onnxruntime.InferenceSession(folder / name, options, providers=["CPUExecutionProvider"])
                                 for name in ("image.onnx", "image-int8.onnx"))
        noise = {b: torch.randn(b, 3, 224, 224) for b in BATCHES}
        ours, ours_int8, ort, ort_int8, pt, our_text, pt_text, indexed, longer = [], [], [], [], [], [], [], {}, None
        for _ in range(ROUNDS):
            line = our_rates(seconds, folder)
            ours.append(line["images_per_second"])
            our_text.append(line["texts_per_second"])
            ours_int8.append(our_rates(seconds, folder, "cpu-int8")["images_per_second"])
            part = seconds / len(BATCHES)
            for rates, session_of in ((ort, session), (ort_int8, session_int8)):
                rates.append(max(rate(part, lambda: session_of.run(None, {"x": x.numpy()}), b) for b, x in noise.items()))
            pt.append(max(rate(part, lambda: clip.encode_image(x), b) for b, x in noise.items()))
            if len(sys.argv) > 3:
                longer = longer or copies(sys.argv[3], tmp, COPIES)
                for policy, options in POLICIES.items():
                    runs_of = indexed.setdefault(policy, [])
                    runs_of.append([pipeline(sys.argv[2], folder, f, tmp, *options) for f in (sys.argv[3], longer)])
            pt_text.append(rate(seconds, lambda: clip.encode_text(tokenizer([SENTENCE])), 1))
    middle = lambda rates: sorted(rates)[len(rates) // 2]
    runs = lambda rates: ", ".join(f"{r:.1f}" for r in rates)
    print(f"ViT-B/32, f32, {threads} threads each; the others at the best of batches of {', '.join(map(str, BATCHES))}")
    print(f"vsearch: {middle(ours):.1f} images/s (runs: {runs(ours)}), preprocessing included, batches of {line['batch']}")
    print(f"ONNX Runtime {onnxruntime.__version__}: {middle(ort):.1f} images/s (runs: {runs(ort)})")
    print(f"PyTorch {torch.__version__}: {middle(pt):.1f} images/s (runs: {runs(pt)})")
    print(f"images, vsearch / ONNX Runtime: {middle(ours) / middle(ort):.2f}, vsearch / PyTorch: {middle(ours) / middle(pt):.2f}")
    print(f"eight bits: vsearch {middle(ours_int8):.1f} images/s (runs: {runs(ours_int8)}), {middle(ours_int8) / middle(ours):.2f} times "
          f"its f32; ONNX Runtime {middle(ort_int8):.1f} (runs: {runs(ort_int8)}), vsearch / ONNX Runtime: "
          f"{middle(ours_int8) / middle(ort_int8):.2f}")
    print(f"sentences one by one: vsearch {middle(our_text):.1f}/s, open_clip {middle(pt_text):.1f}/s, "
          f"ratio {middle(our_text) / middle(pt_text):.1f}")
    for policy, runs_of in indexed.items():
        encoder = middle(ours_int8 if policy == INT8 else ours)
        whole = [len(views) / took for (views, took), _ in runs_of]
        print(f"pipeline, {policy}, views cover: {middle(whole):.1f} views/s of {len(runs_of[0][0][0])}, start and model opening "
              f"included (runs: {runs(whole)}), pipeline / encoder {middle(whole) / encoder:.2f}")
        # What each further video costs: the start, which is the same however long, cancels out.
        rates = [(len(more) - len(views)) / (longer_took - took) for (views, took), (more, longer_took) in runs_of]
        print(f"    each further view, from {COPIES} copies of the folder against one: {middle(rates):.1f} views/s "
              f"(runs: {runs(rates)}), pipeline / encoder {middle(rates) / encoder:.2f}")
    if indexed:
        exact, rounded = (indexed[policy][0][0][0] for policy in ("keyframes", INT8))
        cosines = [float(vector @ rounded[view]) for view, vector in exact.items()]
        print(f"cosine of eight bits and f32 on {len(cosines)} views, random weights: least {min(cosines):.4f}, "
              f"mean {sum(cosines) / len(cosines):.4f}")


if __name__ == "__main__":
    main()
