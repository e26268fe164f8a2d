"""The measurement behind script/bench-confidence and docs/confidence.md."""
import json, math, subprocess, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEVELS = (0.3, 0.5, 0.7, 0.9)


def asked(vsearch, truth, videos):
    command = [vsearch, "eval", truth, "--videos", videos, "--model", "builtin", "--json", "--pairs",
               "--absent", str(ROOT / "script/absent.txt"), "-q"]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [json.loads(line) for line in out.splitlines()]
    return [l for l in lines if "asked_of" in l], lines[-1]["summary"]


def logistic(x):
    return 1 / (1 + math.exp(-max(-50, min(50, x))))


def fit(pairs):
    """Slope and intercept of the log-odds in what stands out; present and absent weigh the same."""
    count = {p: sum(pair["present"] == p for pair in pairs) for p in (True, False)}
    a, b = 1.0, -3.0
    for _ in range(50):
        g0 = g1 = h00 = h01 = h11 = 0
        for pair in pairs:
            x, w = pair["stands_out"], 0.5 / count[pair["present"]]
            p = logistic(a * x + b)
            e, v = w * (p - pair["present"]), w * p * (1 - p)
            g0, g1 = g0 + e * x, g1 + e
            h00, h01, h11 = h00 + v * x * x, h01 + v * x, h11 + v
        det = h00 * h11 - h01 * h01
        a, b = a - (h11 * g0 - h01 * g1) / det, b - (h00 * g1 - h01 * g0) / det
    return a, b


def auc(values, present):
    pos = [v for v, p in zip(values, present) if p]
    neg = [v for v, p in zip(values, present) if not p]
    return sum((x > y) + 0.5 * (x == y) for x in pos for y in neg) / (len(pos) * len(neg))


def held_out(pairs):
    """Each clip's pairs by what was fitted on the others, and without the queries of that clip."""
    sure = [0.0] * len(pairs)
    for clip in sorted({p["asked_of"] for p in pairs}):
        own = {p["query"] for p in pairs if p["asked_of"] == clip and p["present"]}
        a, b = fit([p for p in pairs if p["asked_of"] != clip and p["query"] not in own])
        for i, p in enumerate(pairs):
            if p["asked_of"] == clip:
                sure[i] = logistic(a * p["stands_out"] + b) * p["seeable"]
    return sure


def curve(values, present):
    ordered = sorted(zip(values, present), reverse=True)
    pos, neg = sum(present), len(present) - sum(present)
    x = y = 0
    points = [(0.0, 0.0)]
    for _, p in ordered:
        x, y = x + (not p) / neg, y + p / pos
        points.append((x, y))
    return points


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


def reliability(sure, present, bins=8):
    """Confidence said against share that was right; present and absent weigh the same."""
    weight = {True: 0.5 / sum(present), False: 0.5 / (len(present) - sum(present))}
    points = []
    for b in range(bins):
        inside = [(s, p) for s, p in zip(sure, present) if b / bins <= s < (b + 1) / bins or (s == 1 and b == bins - 1)]
        total = sum(weight[p] for _, p in inside)
        if len(inside) >= 10:
            points.append((sum(weight[p] * s for s, p in inside) / total, sum(weight[p] * p for _, p in inside) / total))
    return points


def main():
    vsearch, truth, videos = sys.argv[1:]
    lines, summary = asked(vsearch, truth, videos)
    pairs = [l for l in lines if l["asked_of"]]
    nowhere = [l for l in lines if not l["asked_of"]]
    present = [p["present"] for p in pairs]
    a, b = fit(pairs)
    print(f"fitted on all clips: slope {a:.2f}, intercept {b:.2f}")
    sure, cosine = held_out(pairs), [p["similarity"] for p in pairs]
    own = [p["confidence"] for p in pairs]
    print(f"{sum(present)} present, {len(present) - sum(present)} absent; AUC: cosine {auc(cosine, present):.3f} (before), "
          f"confidence held out {auc(sure, present):.3f}, as shipped {auc(own, present):.3f}")
    for level in LEVELS:
        kept = sum(s >= level for s, p in zip(sure, present) if p) / sum(present)
        fooled = sum(s >= level for s, p in zip(sure, present) if not p) / (len(present) - sum(present))
        strange = sum(n["confidence"] >= level for n in nowhere) / len(nowhere)
        print(f"level {level}: {kept:.3f} of the present kept, {fooled:.3f} of the absent get a hit (held out); "
              f"of {len(nowhere)} sentences about what is nowhere {strange:.3f} do")
    honest = summary["confidence"]
    print(f"as shipped, at its level: {honest['kept']:.3f} kept, {honest['false_hits']:.2f} false hits for each absent query, "
          f"{honest['fooled']:.3f} of them get any")
    print(f"asked of all clips at that level: {summary['answered']:.3f} of the queries get a hit, "
          f"{summary['absent']['fooled']:.3f} of the sentences about what is nowhere")
    svg("confidence-roc.svg", "Present queries against absent ones", "absent queries with a hit", "present queries kept",
        [(f"confidence, held out (AUC {auc(sure, present):.2f})", "#1668b8", curve(sure, present)),
         (f"cosine (AUC {auc(cosine, present):.2f})", "#c2571a", curve(cosine, present))])
    svg("confidence-calibration.svg", "What confidence said, and what came true", "confidence, held out", "share present",
        [("present and absent weigh the same", "#1668b8", reliability(sure, present))])


if __name__ == "__main__":
    main()
