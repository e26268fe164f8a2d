"""Readers while a writer writes: 8 processes ask for SECONDS while videos are read again and again with other options;
every answer must be whole.

    python3 script/many_readers.py VSEARCH FOLDER [SECONDS]
"""
import json, subprocess, sys, tempfile, threading, time
from pathlib import Path

READERS = 8


def main():
    vsearch, folder = sys.argv[1:3]
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 60
    with tempfile.TemporaryDirectory() as library:
        index = [vsearch, "index", folder, "--library", library, "--model", "builtin", "-q"]
        subprocess.run(index, check=True)
        end = time.time() + seconds
        answers, wrong = [], []

        def read():
            while time.time() < end:
                out = subprocess.run([vsearch, "query", "a person", "--json", "-q", "-k", "20", "--library", library],
                                     capture_output=True, text=True)
                lines = [json.loads(line) for line in out.stdout.splitlines()]
                hits = [line for line in lines if "rank" in line]
                torn = [h for h in hits if not (h["start"] <= h["time"] <= h["end"] and Path(h["video"]).exists())]
                ranks = [h["rank"] for h in hits] == list(range(1, len(hits) + 1))
                scores = [h["confidence"] for h in hits]
                if out.returncode > 1 or torn or not ranks or scores != sorted(scores, reverse=True):
                    wrong.append(out.stderr or hits)
                answers.append(len(hits))

        readers = [threading.Thread(target=read) for _ in range(READERS)]
        for reader in readers:
            reader.start()
        writes = 0
        while time.time() < end:
            for options in (["--fold", "off"], ["--fold", "normal"], ["--every", "5"]):
                subprocess.run([*index, *options], check=True)
                writes += 1
        for reader in readers:
            reader.join()
        sound = subprocess.run([vsearch, "check", "--library", library], capture_output=True, text=True).stdout.strip()
        print(f"{READERS} readers for {seconds:.0f} s while every video was read again {writes} times: {len(answers)} answers, "
              f"{len(wrong)} errors or torn answers; afterwards the library is {sound}")
        for w in wrong[:3]:
            print(w)


if __name__ == "__main__":
    main()
