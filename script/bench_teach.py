"""The measurement behind script/bench-teach. As many wrong hits of the name are shown as negatives as there are examples."""
import json, random, subprocess, sys, tempfile
from pathlib import Path

COUNTS = (0, 1, 2, 4, 8)
DRAWS = 4
# Each by the sentences of the ground truth that name it, over all clips.
CONCEPTS = {
    "a hand grabbing a bottle": ["a hand grabbing a bottle", "two hands holding two bottles"],
    "a red car": ["a red car"],
    "an empty road": ["empty road", "empty road with lane arrows", "empty road with trees", "empty asphalt without cars"],
    "a woman with long blonde hair": ["a woman in a grey cardigan with long blonde hair",
                                      "a woman with long blonde hair in black clothes"],
}


def run(vsearch, library, *args):
    out = subprocess.run([vsearch, *args, "--library", library, "-q"], capture_output=True, text=True)
    assert out.returncode in (0, 1), out.stderr
    return out.stdout


def hits(vsearch, library, question, k):
    lines = run(vsearch, library, "query", question, "--json", "-k", str(k), "--no-words").splitlines()
    return [hit for hit in map(json.loads, lines) if "rank" in hit]


def main():
    vsearch, truth, videos = sys.argv[1:]
    truth = json.loads(Path(truth).read_text())
    print("recall@5 on the second half of every interval (examples are of the first): right among the first 5, of 5 or as many")
    print("as there are")
    with tempfile.TemporaryDirectory() as library:
        # Every sample is a moment of its own, so that there are enough of each concept.
        run(vsearch, library, "index", *[str(Path(videos) / t["file"]) for t in truth], "--model", "builtin", "--every", "0.5",
            "--fold", "off")
        for name, sentences in CONCEPTS.items():
            spans = [(t["file"], a, b) for t in truth for q in t["queries"] if q["query"] in sentences for a, b in q["intervals"]]
            times = [(f, x / 8) for f, a, b in spans for x in range(round(8 * a) + 2, round(4 * (a + b)))]
            inside = lambda h, of: any(h["video"].endswith("/" + f) and a <= h["time"] <= b for f, a, b in of)
            # The edges of intervals are good to half a second: what is near one is no negative.
            near = [(f, a - 2, b + 2) for f, a, b in spans]
            taught, asked = [(f, a - 1, (a + b) / 2) for f, a, b in spans], [(f, (a + b) / 2, b) for f, a, b in spans]
            scores = []
            for count in COUNTS:
                found = []
                for draw in range(DRAWS if count else 1):
                    rng = random.Random(100 * draw + count)
                    yes = rng.sample(times, count)
                    question = name
                    no = []
                    if count:
                        # As a reader would: as many of the best wrong hits as there are examples.
                        wrong = [h for h in hits(vsearch, library, name, 60) if not inside(h, near)][:count]
                        no = [(Path(h["video"]).name, h["time"]) for h in wrong]
                        at = lambda some: [f"{Path(videos) / f}@{t:.2f}" for f, t in some]
                        run(vsearch, library, "teach", name, "--positive", *at(yes), "--negative", *at(no))
                        question = "@" + name
                    ranked = [h for h in hits(vsearch, library, question, 2000) if not inside(h, taught)]
                    could = min(5, sum(inside(h, asked) for h in ranked))
                    if could:
                        found.append(sum(inside(h, asked) for h in ranked[:5]) / could)
                scores.append(f"{sum(found) / len(found):.2f}" if found else "none left")
            print(f"{name!r}: " + ", ".join(f"{c} examples {s}" for c, s in zip(COUNTS, scores)), flush=True)


if __name__ == "__main__":
    main()
