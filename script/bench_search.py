"""The last part of script/bench-search: `vsearch query` from a cold process, on a million moments and on none to speak of."""
import subprocess, sys, tempfile, time
from pathlib import Path

ROUNDS = 9


def asked(vsearch, library, *more):
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        command = [vsearch, "query", "a person riding a bicycle", "-q", "--library", library, "--model", "builtin", *more]
        out = subprocess.run(command, capture_output=True, text=True)
        assert out.returncode in (0, 1), out.stderr
        times.append(time.perf_counter() - start)
    return sorted(times)[ROUNDS // 2]


def main():
    vsearch, library = sys.argv[1:]
    with tempfile.TemporaryDirectory() as tmp:
        film = Path(tmp) / "a.mp4"
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x240:d=2", str(film)], check=True)
        subprocess.run([vsearch, "index", str(film), "--library", tmp, "--model", "builtin", "-q"], check=True)
        small = asked(vsearch, tmp)
    large, exact = asked(vsearch, library), asked(vsearch, library, "--exact")
    print(f"vsearch query, cold process, middle of {ROUNDS}: a few moments {small * 1e3:.0f} ms, a million {large * 1e3:.0f} ms "
          f"({large / small:.2f}x), a million with --exact {exact * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
