"""The comparison behind script/bench-ingest: our reading and the ffmpeg program's, in turns."""
import json, subprocess, sys, tempfile, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 3
# ffmpeg: the same selection, frames at display size, to raw RGB and thrown away.
THEIRS = {
    "keyframes": (["-skip_frame", "nokey"], ["-fps_mode", "passthrough"]),
    "1": ([], ["-vf", "fps=1"]),
}


def run(command):
    start = time.perf_counter()
    out = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    return time.perf_counter() - start, out.stdout


def ours(policy, clips):
    command = ["cargo", "bench", "--quiet", "--locked", "-p", "vsearch-benches", "--bench", "sample", "--", policy, *clips]
    _, out = run(command)
    line = json.loads(out.strip().splitlines()[-1])
    return line["seconds"], line["frames"]


def theirs(policy, clips):
    before, after = THEIRS[policy]
    seconds = frames = 0
    for clip in clips:
        command = ["ffmpeg", "-v", "error", "-nostdin", "-stats", *before, "-i", clip, *after,
                   "-pix_fmt", "rgb24", "-f", "rawvideo", "-y", "/dev/null"]
        start = time.perf_counter()
        out = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds += time.perf_counter() - start
        frames += int(out.stderr.rsplit("frame=", 1)[1].split()[0])
    return seconds, frames


def memory(vsearch, tmp):
    # One minute of motion, repeated without encoding again.
    minute = tmp / "minute.mp4"
    run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=60", "-c:v", "libx264",
         "-preset", "ultrafast", "-g", "50", str(minute)])
    peaks = {}
    for name, repeat, cut in (("10 s", 0, ["-t", "10"]), ("10 min", 9, []), ("1 h", 59, [])):
        film = tmp / f"{repeat}.mp4"
        run(["ffmpeg", "-v", "error", "-y", "-stream_loop", str(repeat), "-i", str(minute), "-c", "copy", *cut, str(film)])
        command = [vsearch, "index", str(film), "--library", str(tmp / name), "--model", "builtin", "-q"]
        child = subprocess.Popen(command)
        peak = 0
        # The children that decode count too.
        while child.poll() is None:
            peak = max(peak, sum(resident(p) for p in family(child.pid)))
            time.sleep(0.05)
        peaks[name] = peak / 1e6
    return peaks


def family(pid):
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(p) for p in task.read_text().split()]
        except OSError:
            pass
    return set(found)


def resident(pid):
    # Proportional: pages that processes share (the program itself, FFmpeg) count once.
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    except OSError:
        return 0


def main():
    vsearch, clips = sys.argv[1], sys.argv[2:]
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        film = tmp / "film.mp4"
        run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25:d=120", "-c:v", "libx264",
             "-preset", "veryfast", "-g", "50", str(film)])
        sets = {"generated 1280x720, 2 min": [str(film)]}
        if clips:
            sets["clips given"] = [str(Path(c).resolve()) for c in clips]
        for label, files in sets.items():
            for policy, what in (("keyframes", "-skip_frame nokey"), ("1", "-vf fps=1")):
                mine, ffmpegs = [], []
                for _ in range(ROUNDS):
                    mine.append(ours(policy, files))
                    ffmpegs.append(theirs(policy, files))
                (a, n), (b, m) = sorted(mine)[ROUNDS // 2], sorted(ffmpegs)[ROUNDS // 2]
                print(f"{label}, {what}: vsearch {a:.2f} s for {n} frames, ffmpeg {b:.2f} s for {m}; "
                      f"vsearch / ffmpeg {b / a:.2f} in time, {(n / a) / (m / b):.2f} in frames a second", flush=True)
        peaks = memory(vsearch, tmp)
        print("peak memory, indexing with the built-in model, decoders included: "
              + ", ".join(f"{name} {peak:.0f} MB" for name, peak in peaks.items()))


if __name__ == "__main__":
    main()
