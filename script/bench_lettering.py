"""Counts true, misspelt and false lines among those that vsearch reads (standard input: what benches/lettering.rs
prints) in pictures of which a person has written down the lettering. Called by script/bench-lettering."""
import json, sys
from collections import Counter
from pathlib import Path

TRUTH = Path(__file__).resolve().parent / "lettering.jsonl"
MISSPELT = 0.4  # edits, as a share of the longer text, up to which a line is the true one misspelt


def plain(text):
    return "".join(c for c in text.casefold() if c.isalnum())


def edits(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row, before = [i], row
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y)))
    return row[-1]


def distance(read, true):
    """0: all that was read stands there. A part of a true line counts."""
    read, true = plain(read), plain(true)
    return 0 if read and read in true else edits(read, true) / max(len(read), len(true), 1)


truth = {}
for line in TRUTH.read_text().splitlines():
    entry = json.loads(line)
    truth.setdefault(entry["file"], []).append(entry["text"])

right = misspelt = 0
false, found, cost = [], Counter(), None
for line in sys.stdin:
    picture = json.loads(line)
    if "pictures" in picture:
        cost = picture
        continue
    true = truth.get(picture["file"], [])
    for read in (entry["text"] for entry in picture["lines"]):
        nearest = min(true, key=lambda t: distance(read, t), default=None)
        far = 1 if nearest is None else distance(read, nearest)
        if far > MISSPELT:
            false.append((picture["file"], read))
            continue
        right, misspelt = (right + 1, misspelt) if far == 0 else (right, misspelt + 1)
        found[picture["file"], nearest] += 1

pictures, lines = cost["pictures"], sum(map(len, truth.values()))
# What stands there twice may be read twice.
found = sum(min(times, truth[file].count(text)) for (file, text), times in found.items())
print(f"{pictures} pictures, {lines} lines that a person can read, in {len(truth)} of them")
print(f"read: {right} right, {misspelt} misspelt, {len(false)} false: {len(false) / pictures:.3f} false a picture")
print(f"of the lines that a person can read {found} are read ({found / max(lines, 1):.2f})")
print(f"one thread: {1e3 * cost['reading'] / pictures:.1f} ms a picture, {cost['reading'] / cost['looking']:.2f} of looking for things")
for file, text in false:
    print(f"  false: {file} {text!r}")
