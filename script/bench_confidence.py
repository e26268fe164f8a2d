"""The measurement behind script/bench-confidence and docs/confidence.md."""
import json, math, subprocess, sys, tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LISTED = 10
SECONDS_OF_A_PICTURE = 2


def asked(vsearch, library, sentences):
    """The ten hits of each sentence."""
    hits = {}
    for sentence in sentences:
        command = [vsearch, "query", sentence, "--library", library, "--model", "builtin", "--json", "--explain", "--no-words",
                   "-k", str(LISTED), "-q"]
        out = subprocess.run(command, capture_output=True, text=True)
        if out.returncode > 1:
            sys.exit(out.stderr)
        lines = [json.loads(line) for line in out.stdout.splitlines()]
        hits[sentence] = [line for line in lines if "rank" in line]
    return hits


def pair(source, group, sentence, hit, right):
    return {"source": source, "group": group, "sentence": sentence, "z": hit["parts"]["stands_out"], "right": right,
            "shipped": hit["confidence"], "match": hit["match"]}


def of_clips(vsearch, truth, videos, absent, library):
    """All clips in one library, every sentence asked of all of them; and sentences about what is nowhere."""
    subprocess.run([vsearch, "index", videos, "--library", library, "--model", "builtin", "-q"], check=False)
    right = {}
    for clip in truth:
        for query in clip["queries"]:
            right.setdefault(query["query"], []).append((clip["file"], query["intervals"]))
    pairs = []
    for sentence, hits in asked(vsearch, library, list(right) + absent).items():
        for hit in hits:
            file = Path(hit["video"]).name
            is_right = any(Path(name).name == file and any(a - 1 <= hit["time"] <= b + 1 for a, b in spans)
                           for name, spans in right.get(sentence, []))
            source = "clips" if sentence in right else "absent"
            pairs.append(pair(source, file, sentence, hit, is_right))
    return pairs


def of_pictures(vsearch, folder, scratch):
    """Pictures with all objects of a list of classes labelled, one after the other in a film; a sentence for each class."""
    objects = json.loads((folder / "objects.json").read_text())
    names = "".join(f"file '{(folder / o['file']).resolve()}'\nduration {SECONDS_OF_A_PICTURE}\n" for o in objects)
    (scratch / "list.txt").write_text(names)
    film = scratch / "pictures.mkv"
    # Each picture whole, in a square of its own.
    square = "scale=416:416,setsar=1,format=yuv420p"
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "concat", "-safe", "0", "-i", scratch / "list.txt", "-vf", square, "-r", "1",
                    "-c:v", "libx264", "-g", "1", film], check=True)
    library = scratch / "pictures"
    subprocess.run([vsearch, "index", film, "--library", library, "--model", "builtin", "--every", str(SECONDS_OF_A_PICTURE),
                    "--fold", "off", "-q"], check=True)
    classes = sorted({o["class"] for picture in objects for o in picture["objects"]})
    sentences = {("an " if c[0] in "aeiou" else "a ") + c: c for c in classes}
    pairs = []
    for sentence, hits in asked(vsearch, library, sentences).items():
        for hit in hits:
            picture = objects[min(len(objects) - 1, int(hit["time"] // SECONDS_OF_A_PICTURE))]
            is_right = any(o["class"] == sentences[sentence] for o in picture["objects"])
            pairs.append(pair("pictures", picture["file"], sentence, hit, is_right))
    return pairs


def logistic(x):
    return 1 / (1 + math.exp(-max(-50, min(50, x))))


def fit(pairs):
    """Slope and intercept of the log-odds that a hit is right, in what stands out."""
    a = b = 0.0
    for _ in range(50):
        g0 = g1 = h01 = 0
        h00 = h11 = 1e-6
        for p in pairs:
            x = p["z"]
            likely = logistic(a * x + b)
            e, v = likely - p["right"], likely * (1 - likely)
            g0, g1 = g0 + e * x, g1 + e
            h00, h01, h11 = h00 + v * x * x, h01 + v * x, h11 + v
        det = h00 * h11 - h01 * h01
        a, b = a - (h11 * g0 - h01 * g1) / det, b - (h00 * g1 - h01 * g0) / det
    return a, b


def folds(names, count=5):
    return {name: i % count for i, name in enumerate(sorted(names))}


def held_out(pairs):
    """Each hit by what was fitted on other clips and pictures, and on other sentences."""
    of_group, of_sentence = folds({p["group"] for p in pairs}), folds({p["sentence"] for p in pairs})
    for g in range(5):
        for s in range(5):
            others = [p for p in pairs if of_group[p["group"]] != g and of_sentence[p["sentence"]] != s]
            a, b = fit(others)
            for p in pairs:
                if of_group[p["group"]] == g and of_sentence[p["sentence"]] == s:
                    p["held out"] = logistic(a * p["z"] + b)


def other_sources(pairs):
    """Each hit by what was fitted on the other kind of footage alone."""
    for source, others in (("pictures", ("clips", "absent")), ("clips", ("pictures",)), ("absent", ("pictures",))):
        a, b = fit([p for p in pairs if p["source"] in others])
        for p in pairs:
            if p["source"] == source:
                p["other source"] = logistic(a * p["z"] + b)


def auc(pairs, key):
    pos, neg = ([p[key] for p in pairs if p["right"] == r] for r in (True, False))
    if not pos or not neg:
        return float("nan")
    return sum((x > y) + 0.5 * (x == y) for x in pos for y in neg) / (len(pos) * len(neg))


def bins(pairs, key):
    out = []
    for low in range(10):
        inside = [p for p in pairs if low <= min(9, int(10 * p[key])) < low + 1]
        if inside:
            said = sum(p[key] for p in inside) / len(inside)
            out.append((said, sum(p["right"] for p in inside) / len(inside), len(inside)))
    return out


def svg(name, title, across, up, lines):
    """A plot of named lines over [0, 1] x [0, 1]."""
    size, left, top = 320, 60, 30
    at = lambda x, y: f"{left + x * size:.1f},{top + (1 - y) * size:.1f}"
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + size + 20}" height="{top + size + 60}" '
           'font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="{left}" y="18" font-weight="bold">{title}</text>',
           f'<rect x="{left}" y="{top}" width="{size}" height="{size}" fill="none" stroke="#999"/>',
           f'<polyline points="{at(0, 0)} {at(1, 1)}" stroke="#ccc" fill="none"/>']
    for tick in (0, 0.5, 1):
        out.append(f'<text x="{left + tick * size}" y="{top + size + 16}" text-anchor="middle">{tick}</text>')
        out.append(f'<text x="{left - 6}" y="{top + (1 - tick) * size + 4}" text-anchor="end">{tick}</text>')
    out.append(f'<text x="{left + size / 2}" y="{top + size + 34}" text-anchor="middle">{across}</text>')
    out.append(f'<text transform="translate(18,{top + size / 2}) rotate(-90)" text-anchor="middle">{up}</text>')
    for n, (label, colour, points) in enumerate(lines):
        out.append(f'<polyline points="{" ".join(at(x, y) for x, y in points)}" stroke="{colour}" stroke-width="2" fill="none"/>')
        out.append(f'<text x="{left + size - 8}" y="{top + size - 28 + 16 * n}" fill="{colour}" text-anchor="end">{label}</text>')
    (ROOT / "docs" / name).write_text("\n".join([*out, "</svg>"]) + "\n")


def main():
    vsearch, truth, videos = sys.argv[1:4]
    absent = [line.strip() for line in (ROOT / "script/absent.txt").read_text().splitlines() if line.strip()]
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        pairs = of_clips(vsearch, json.loads(Path(truth).read_text()), videos, absent, str(scratch / "clips"))
        if len(sys.argv) > 4:
            pairs += of_pictures(vsearch, Path(sys.argv[4]), scratch)
    a, b = fit(pairs)
    print(f"fitted on all {len(pairs)} hits: slope {a:.2f}, intercept {b:.2f}")
    held_out(pairs)
    ways = ["held out", "shipped"]
    if any(p["source"] == "pictures" for p in pairs):
        other_sources(pairs)
        ways.insert(1, "other source")
    for source in ("clips", "pictures", "absent"):
        own = [p for p in pairs if p["source"] == source]
        if not own:
            continue
        sentences = {p["sentence"] for p in own}
        matched = {p["sentence"] for p in own if p["match"]}
        right = sum(p["match"] and p["right"] for p in own)
        print(f"{source}: {len(sentences)} sentences, {len(own)} hits, {sum(p['right'] for p in own)} right; as shipped "
              f"{len(matched)} sentences get a match, {right} of {sum(p['match'] for p in own)} matches are right")
        for way in ways:
            said = "; ".join(f"{100 * s:.0f} %: {100 * r:.0f} % of {n}" for s, r, n in bins(own, way))
            print(f"  {way}: AUC {auc(own, way):.3f}; said, and right: {said}")
    colours = {"clips": "#1668b8", "pictures": "#c2571a"}
    svg("confidence-calibration.svg", "What confidence said, and what was right", "confidence, held out", "share right",
        [(source, colour, [(s, r) for s, r, n in bins([p for p in pairs if p["source"] == source], "held out") if n >= 5])
         for source, colour in colours.items()])


if __name__ == "__main__":
    main()
