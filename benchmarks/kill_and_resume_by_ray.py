"""Workers of Ray killed (SIGKILL) at random moments of a training: every run ends, by itself or by one `velbo resume`,
with the bits of a run that was left alone. Checkpoints come every 2 seconds here, not every 30.

    python benchmarks/kill_and_resume_by_ray.py [--data digits] [--kills 5 --epochs 400 --workers 2]

Each kill has a run of its own: a random worker, a random moment between the first evaluation and the end.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKPOINT_SECONDS = 2
START = f"""
from velbo.cli import entry
from velbo.cluster import by_ray

work = by_ray._work


def work_with_many_checkpoints(config):
    import velbo.training.loop
    velbo.training.loop.CHECKPOINT_SECONDS = {CHECKPOINT_SECONDS}
    work(config)


by_ray._work = work_with_many_checkpoints
entry()
"""
WORKER = b"ray::RayTrainWorker"
POLL_SECONDS = 0.05


def descendants(process: int) -> list[int]:
    """All processes that one has started, by /proc of Linux."""
    children = dict[int, list[int]]()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit():
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
        except OSError:
            continue
    found, waiting = list[int](), [process]
    while waiting:
        own = children.get(waiting.pop(), [])
        found += own
        waiting += own
    return found


def workers_of(process: int, name: bytes) -> list[int]:
    """Those of Ray whose command line begins with a name, oldest first."""
    found = list[int]()
    for each in sorted(descendants(process)):
        try:
            if Path(f"/proc/{each}/cmdline").read_bytes().startswith(name):
                found.append(each)
        except OSError:
            continue
    return found


def files(run: Path) -> dict[str, bytes]:
    """Everything that must be equal: the model, the metrics, and the last checkpoint's tensors."""
    last = max((run / "checkpoint").glob("[0-9]*"))
    return {
        "model.safetensors": (run / "model.safetensors").read_bytes(),
        "metrics.jsonl": (run / "metrics.jsonl").read_bytes(),
        f"checkpoint {last.name}": (last / "tensors.safetensors").read_bytes(),
    }


def started(run: Path, words: list[str], log: Path) -> subprocess.Popen[bytes]:
    """A process of velbo; what it says goes into a file."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}
    with log.open("ab") as said:
        return subprocess.Popen([sys.executable, "-c", START, *words], stdout=said, stderr=said, env=environment)


def training_seconds(process: subprocess.Popen[bytes], run: Path) -> tuple[float, float]:
    """(seconds until the first line of metrics, seconds from there to the end)."""
    start = time.monotonic()
    while process.poll() is None and not (run / "metrics.jsonl").exists():
        time.sleep(POLL_SECONDS)
    began = time.monotonic()
    process.wait()
    return began - start, time.monotonic() - began


def kill_one(process: subprocess.Popen[bytes], run: Path, moments: random.Random, seconds: float) -> str:
    """A random worker at a random moment; what happened."""
    while process.poll() is None and not (run / "metrics.jsonl").exists():
        time.sleep(POLL_SECONDS)
    moment = moments.uniform(0, seconds)
    time.sleep(moment)
    found = workers_of(process.pid, WORKER)
    if process.poll() is not None or not found:
        return "the run had ended"
    os.kill(moments.choice(found), signal.SIGKILL)
    kept = sorted(p.name for p in (run / "checkpoint").glob("[0-9]*")) or ["none yet"]
    return f"one of {len(found)} workers killed {moment:.1f} s after the first evaluation, checkpoint {kept[-1]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=400)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=None, help="of the moments; a new one every time if not given")
    options = parser.parse_args()
    moments, by_ray = random.Random(options.seed), ["--cluster", "local", "--workers", str(options.workers)]
    model = f"--recipe mlp --hidden 64 --latent 4 --threads 1 --no-report --epochs {options.epochs}".split()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        log, whole = Path(folder) / "log.txt", Path(folder) / "whole"
        before, seconds = training_seconds(
            started(whole, ["fit", options.data, "--run", str(whole), *model, *by_ray], log), whole
        )
        print(f"left alone: {before:.0f} s to the first evaluation, {seconds:.0f} s from there", flush=True)
        wanted = files(whole)
        for i in range(options.kills):
            run = Path(folder) / f"killed-{i}"
            process = started(run, ["fit", options.data, "--run", str(run), *model, *by_ray], log)
            told = kill_one(process, run, moments, 0.8 * seconds)
            code, how = process.wait(), "by itself"
            if code:
                how, code = (
                    f"with code {code}, and by one resume",
                    started(run, ["resume", str(run), *by_ray], log).wait(),
                )
            found = files(run) if code == 0 else {}
            other = [name for name in wanted if wanted[name] != found.get(name)]
            failed += bool(other)
            print(f"kill {i + 1}: {told}; ended {how}: {f'DIFFERENT: {other}' if other else 'bit-equal'}", flush=True)
        if failed:
            print(log.read_text()[-3000:])
    sys.exit(failed)


if __name__ == "__main__":
    main()
