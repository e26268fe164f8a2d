"""Times `vsearch note` and an `index` with nothing new on a small and a large library, by turns."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 7


def main():
    vsearch, *libraries = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        make = f"ffmpeg -v error -f lavfi -i testsrc2=s=160x120:r=10:d=3 {clip}"
        subprocess.run(make.split(), check=True)
        for library in libraries:
            run(vsearch, library, "index", folder)
        verbs = {
            "note": lambda n: ["note", f"{clip}@1", f"the gate opens {n}"],
            "index with nothing new": lambda _: ["index", folder],
        }
        for what, arguments in verbs.items():
            times = {library: [] for library in libraries}
            for n in range(ROUNDS):
                for library in libraries:
                    start = time.monotonic()
                    run(vsearch, library, *arguments(n))
                    times[library].append(time.monotonic() - start)
            small, large = (statistics.median(times[library]) for library in libraries)
            print(f"{what}: {1e3 * small:.0f} ms small, {1e3 * large:.0f} ms large, {large / small:.2f}x")


def run(vsearch, library, *arguments):
    command = [vsearch, *arguments, "--library", library]
    subprocess.run(command, check=True, capture_output=True)


main()
