"""The measurement behind script/bench-fold."""
import json, re, subprocess, sys, tempfile
from pathlib import Path

STILL = 600  # seconds


def run(command):
    return subprocess.run(command, check=True, capture_output=True, text=True)


def evaluate(vsearch, truth, folder, fold):
    with tempfile.TemporaryDirectory() as library:
        out = run([vsearch, "eval", str(truth), "--videos", str(folder), "--fold", fold, "--library", library,
                   "--model", "builtin", "--json"])
    summary = json.loads(out.stdout.strip().splitlines()[-1])["summary"]
    frames, moments = map(int, re.search(r"(\d+) frames in (\d+) moments", out.stderr).groups())
    return frames, moments, summary


def still(source, target):
    """Ten minutes of the first frame, noise of +-12 levels in each, a running clock; then the clip."""
    probe = run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height",
                 "-of", "csv=p=0", str(source)]).stdout.strip().split(",")
    w, h = (int(v) // 2 * 2 for v in probe[:2])
    size = max(12, h // 24)
    graph = (f"[0:v]scale={w}:{h},setsar=1,fps=5,trim=end_frame=1,loop=loop={STILL * 5 - 1}:size=1:start=0,setpts=N/5/TB[s];"
             f"[0:v]scale={w}:{h},setsar=1,fps=5[m];[s][m]concat=n=2,noise=alls=12:allf=t,"
             f"drawtext=fontsize={size}:fontcolor=white:x=10:y=10:text='%{{pts\\:hms}}'")
    run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", str(source), "-filter_complex", graph, "-an",
         "-c:v", "libx264", "-preset", "ultrafast", "-crf", "28", "-g", "50", str(target)])


def main():
    vsearch, truth_file, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    truth = json.loads(truth_file.read_text())
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        shifted = []
        for clip in truth:
            target = Path(clip["file"]).stem + ".mp4"
            still(folder / clip["file"], tmp / target)
            move = lambda q: q | {"intervals": [[a + STILL, b + STILL] for a, b in q["intervals"]]}
            shifted.append({"file": target, "queries": [move(q) for q in clip["queries"]]})
        (tmp / "truth.json").write_text(json.dumps(shifted))
        for label, t, f in (("clips as they are", truth_file, folder), ("each after 10 still minutes", tmp / "truth.json", tmp)):
            base = None
            for fold in ("off", "normal", "strong"):
                frames, moments, s = evaluate(vsearch, t, f, fold)
                base = base or (moments, s)
                change = {k: 100 * (s[k] - base[1][k]) for k in ("recall_at_1", "recall_at_5", "recall_at_10")}
                print(f"{label}, fold {fold}: {moments} embeddings of {frames} samples ({base[0] / moments:.1f} times fewer); "
                      f"recall@1 {s['recall_at_1']:.3f} ({change['recall_at_1']:+.1f}), @5 {s['recall_at_5']:.3f} "
                      f"({change['recall_at_5']:+.1f}), @10 {s['recall_at_10']:.3f} ({change['recall_at_10']:+.1f} points)", flush=True)


if __name__ == "__main__":
    main()
