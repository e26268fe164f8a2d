"""The measurement behind script/bench-confidence and docs/confidence.md."""
import argparse, json, math, os, subprocess, sys, tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEVEL = 0.5
LISTED = 10
ALL = 10_000
SLACK_SECONDS = 1  # as eval has it
# What these ask for no part of vsearch can know: none may reach the level.
UNKNOWABLE = ["gun", "a knife", "fire", "smoke", "a person falling down"]


def indexed(vsearch, videos, library, *options):
    command = [vsearch, "index", videos, "--library", library, "--model", "builtin", "-q", *options]
    # Files that cannot be read whole are known, and exit with 1.
    if subprocess.run(command).returncode > 1:
        sys.exit(f"{videos} could not be indexed")


def asked(vsearch, library, sentence):
    """All events of a sentence, best first, and whether it says that it cannot tell."""
    command = [vsearch, "query", sentence, "--library", library, "--model", "builtin", "--json", "--explain", "--no-words",
               "-k", str(ALL), "-q"]
    out = subprocess.run(command, capture_output=True, text=True)
    if out.returncode > 1:
        sys.exit(out.stderr)
    lines = [json.loads(line) for line in out.stdout.splitlines()]
    return [line for line in lines if "rank" in line], bool(lines[-1]["summary"].get("cannot_tell"))


def hit_of(hit, sentence, group, right):
    return {"sentence": sentence, "group": group, "right": right, "said": hit["confidence"], "z": hit["parts"]["stands_out"],
            "rank": hit["rank"], "by objects": hit["found_by"] == "objects"}


def within(hit, spans):
    return any(a - SLACK_SECONDS <= hit["time"] <= b + SLACK_SECONDS for a, b in spans)


def of_pictures(vsearch, folder, scratch):
    """Each picture a file of one frame; a sentence for each class."""
    objects = json.loads((folder / "objects.json").read_text())
    films = scratch / "films"
    films.mkdir()
    for picture in objects:
        film = films / Path(picture["file"]).with_suffix(".mkv").name
        subprocess.run(["ffmpeg", "-v", "error", "-i", folder / picture["file"], "-c", "copy", film], check=True)
    library = scratch / "pictures"
    indexed(vsearch, films, library)
    shown = {Path(p["file"]).stem: {o["class"] for o in p["objects"]} for p in objects}
    classes = (ROOT / "src/types/object/class.rs").read_text().split("= [", 1)[1].split("];")[0]
    hits = []
    for name in (line.strip(' ",') for line in classes.split("\n") if line.strip()):
        sentence = ("an " if name[0] in "aeiou" else "a ") + name
        for hit in asked(vsearch, library, sentence)[0]:
            picture = Path(hit["video"]).stem
            scores = [o["score"] for o in hit["objects"] if o["class"] == name]
            hits.append({**hit_of(hit, sentence, picture, name in shown[picture]), "score": max(scores, default=0)})
    return hits


def of_clips(vsearch, truth, videos, absent, scratch):
    """All clips in one library; every sentence is asked of all of them. Also the true intervals: at which rank the first
    right event of each is, and what was said of the surest."""
    library = scratch / "clips"
    indexed(vsearch, videos, library)
    right = {}
    for clip in truth:
        for query in clip["queries"]:
            right.setdefault(query["query"], []).append((Path(clip["file"]).name, query["intervals"]))
    hits, events = [], []
    for sentence, places in right.items():
        found = asked(vsearch, library, sentence)[0]
        of_file = lambda name: [h for h in found if Path(h["video"]).name == name]
        for hit in found:
            file = Path(hit["video"]).name
            is_right = any(name == file and within(hit, spans) for name, spans in places)
            hits.append(hit_of(hit, sentence, file, is_right))
        for name, spans in places:
            for span in spans:
                own = [h for h in of_file(name) if within(h, [span])]
                events.append({"rank": min((h["rank"] for h in own), default=None),
                               "said": max((h["confidence"] for h in own), default=0)})
    return hits, events, {sentence: asked(vsearch, library, sentence) for sentence in absent}


def logistic(x):
    return 1 / (1 + math.exp(-max(-50, min(50, x))))


def fit(hits, key):
    """Slope and intercept of the log-odds that a hit is right, in what is under a key."""
    a = b = 0.0
    for _ in range(50):
        g0 = g1 = h01 = 0
        h00 = h11 = 1e-6
        for hit in hits:
            x = hit[key]
            likely = logistic(a * x + b)
            e, v = likely - hit["right"], likely * (1 - likely)
            g0, g1 = g0 + e * x, g1 + e
            h00, h01, h11 = h00 + v * x * x, h01 + v * x, h11 + v
        det = h00 * h11 - h01 * h01
        a, b = a - (h11 * g0 - h01 * g1) / det, b - (h00 * g1 - h01 * g0) / det
    return a, b


def hold_out(hits, key, folds):
    """Each hit by what was fitted on other pictures or clips; returns what all together give."""
    of_group = {group: i % folds for i, group in enumerate(sorted({h["group"] for h in hits}))}
    for fold in range(folds):
        others = [h for h in hits if of_group[h["group"]] != fold]
        a, b = fit(others, key) if others else (0, 0)
        for h in hits:
            if of_group[h["group"]] == fold:
                h["held out"] = logistic(a * h[key] + b)
    return fit(hits, key)


def auc(present, absent):
    """How likely one of the first is greater than one of the second."""
    if not present or not absent:
        return float("nan")
    ordered = sorted([(x, 1) for x in present] + [(x, 0) for x in absent])
    ranks, i = 0.0, 0
    while i < len(ordered):
        j = i
        while j < len(ordered) and ordered[j][0] == ordered[i][0]:
            j += 1
        ranks += sum(one for _, one in ordered[i:j]) * (i + 1 + j) / 2
        i = j
    return (ranks - len(present) * (len(present) + 1) / 2) / (len(present) * len(absent))


def tenths(hits, key):
    """Of the hits in each tenth: what was said, what share is right, and how many."""
    rows = {}
    for h in hits:
        rows.setdefault(min(9, int(10 * h[key])), []).append(h)
    mean = lambda values: sum(values) / len(values)
    return {low: (mean([h[key] for h in inside]), mean([h["right"] for h in inside]), len(inside))
            for low, inside in sorted(rows.items())}


def table(title, hits, key="said"):
    if not hits:
        return
    rows = tenths(hits, key)
    brier = sum((h[key] - h["right"]) ** 2 for h in hits) / len(hits)
    ece = sum(abs(said - right) * n for said, right, n in rows.values()) / len(hits)
    within_table = auc([h[key] for h in hits if h["right"]], [h[key] for h in hits if not h["right"]])
    print(f"\n{title}: {len(hits)} hits, {sum(h['right'] for h in hits)} right; Brier score {brier:.4f}, expected calibration "
          f"error {ece:.4f}, AUC right/wrong {within_table:.3f}")
    print("  tenth        said   right  hits")
    for low, (said, right, n) in rows.items():
        print(f"  {10 * low:2} to {10 * low + 10:3} %  {100 * said:3.0f} %  {100 * right:4.0f} %  {n}")


def best(found):
    return max((h["confidence"] for h in found), default=0)


def nowhere(found):
    at_level = [s for s, (hits, _) in found.items() if best(hits) >= LEVEL]
    unknown = sum(cannot for _, cannot in found.values())
    print(f"\nAbout what is nowhere: {len(found)} sentences, {len(at_level)} reach {LEVEL:g}; of {unknown} it is said that the "
          "model cannot tell")
    for sentence, (hits, cannot) in sorted(found.items(), key=lambda item: -best(item[1][0])):
        print(f"  {best(hits):.3f} {'?' if cannot else ' '} {sentence}")


def svg(file, title, lines):
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
    out.append(f'<text x="{left + size / 2}" y="{top + size + 34}" text-anchor="middle">confidence</text>')
    out.append(f'<text transform="translate(18,{top + size / 2}) rotate(-90)" text-anchor="middle">share right</text>')
    for n, (label, colour, points) in enumerate(lines):
        out.append(f'<polyline points="{" ".join(at(x, y) for x, y in points)}" stroke="{colour}" stroke-width="2" fill="none"/>')
        out.append(f'<text x="{left + size - 8}" y="{top + size - 28 + 16 * n}" fill="{colour}" text-anchor="end">{label}</text>')
    Path(file).write_text("\n".join([*out, "</svg>"]) + "\n")


def print_pictures(hits):
    first = [h for h in hits if h["rank"] <= LISTED]
    table("Photographs, the ten listed of each class, as vsearch has it", first)
    table("Photographs, all of each class, as vsearch has it", hits)
    seen = [h for h in hits if h["score"] > 0]
    a, b = hold_out(seen, "score", 5)
    table("Photographs, where the thing is detected, as vsearch has it", seen)
    table(f"The same, held out by picture: log-odds by the detection's score alone, {a:.1f} score {b:+.1f}", seen, "held out")
    unseen = [h for h in hits if h["score"] == 0]
    a, b = hold_out(unseen, "z", 5)
    table("Photographs, where it is not detected, as vsearch has it", unseen)
    table(f"The same, held out by picture: log-odds by what stands out, {a:.2f} z {b:+.2f}", unseen, "held out")
    right = [h for h in hits if h["right"]]
    at_level = [h for h in hits if h["said"] >= LEVEL]
    print(f"\nPhotographs, each class and picture: AUC present/absent "
          f"{auc([h['said'] for h in right], [h['said'] for h in hits if not h['right']]):.3f}; of {len(right)} that are there "
          f"{sum(h['said'] >= LEVEL for h in right)} are listed at {LEVEL:g} "
          f"({100 * sum(h['said'] >= LEVEL for h in right) / len(right):.0f} %), of {len(at_level)} listed there "
          f"{sum(h['right'] for h in at_level)} are right; {sum(h['rank'] <= LISTED for h in right)} are among the ten")
    return first


def print_clips(hits, events, absent):
    first = [h for h in hits if h["rank"] <= LISTED]
    by_objects = {h["sentence"] for h in hits if h["by objects"]}
    backed = [h for h in first if h["sentence"] in by_objects]
    others = [h for h in first if h["sentence"] not in by_objects]
    table("Clips, one library, the ten listed of each sentence, as vsearch has it", first)
    table("Clips, sentences with hits by detected things", backed)
    table("Clips, other sentences", others)
    if others:
        a, b = hold_out(others, "z", len({h["group"] for h in others}))
        table(f"The same, one clip left out at a time: log-odds by what stands out, {a:.2f} z {b:+.2f}", others, "held out")
    told = [e for e in events if e["said"] >= LEVEL]
    ten = sum((e["rank"] or ALL) <= LISTED for e in events)
    matches = [h for h in hits if h["said"] >= LEVEL]
    right = sum(h["right"] for h in matches)
    print(f"\nClips: of {len(events)} right events {len(told)} are listed at {LEVEL:g} ({100 * len(told) / len(events):.0f} %), "
          f"{ten} among the ten ({100 * ten / len(events):.0f} %); of {len(matches)} hits at {LEVEL:g} {right} are right by the "
          "ground truth, which does not say where else a thing may be")
    tops = {s: max(h["said"] for h in hits if h["sentence"] == s) for s in {h["sentence"] for h in hits}}
    bests = [best(found) for found, _ in absent.values()]
    print(f"Best hit of {len(tops)} sentences about what is there against that of {len(bests)} about what is nowhere: AUC "
          f"present/absent {auc(list(tops.values()), bests):.3f}")
    nowhere(absent)
    fooled = [s for s in UNKNOWABLE if s in absent and best(absent[s][0]) >= LEVEL]
    print(f"What cannot be known ({', '.join(UNKNOWABLE)}): {', '.join(fooled) or 'none'} at {LEVEL:g} or above")
    return first


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("vsearch", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("videos", type=Path)
    parser.add_argument("pictures", type=Path, nargs="?")
    parser.add_argument("--plot", metavar="SVG", default=os.environ.get("PLOT"))
    args = parser.parse_args()
    absent = [line.strip() for line in (ROOT / "script/absent.txt").read_text().splitlines() if line.strip()]
    truth = json.loads(args.truth.read_text())
    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        if args.pictures:
            listed = print_pictures(of_pictures(args.vsearch, args.pictures, scratch))
            lines.append(("photographs", "#c2571a", listed))
        listed = print_clips(*of_clips(args.vsearch, truth, args.videos, absent, scratch))
        lines.append(("clips", "#1668b8", listed))
    if args.plot:
        points = lambda hits: [(said, right) for said, right, n in tenths(hits, "said").values() if n >= 5]
        svg(args.plot, "What confidence said, and what was right", [(name, colour, points(hits)) for name, colour, hits in lines])


if __name__ == "__main__":
    main()
