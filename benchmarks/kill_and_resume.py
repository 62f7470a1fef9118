"""Kill -9 at random moments, resume each time: weights and metrics bit-equal to the run that was left alone.
Checkpoints come every 2 seconds here, not every 30, so that the kills of a short run meet some.

    python benchmarks/kill_and_resume.py --data mnist.npz:train_images [--kills 5 --rows 20000 --epochs 60]
    python benchmarks/kill_and_resume.py --data digits --rows 1797 --torchrun 2

With --torchrun that many processes train together; a random one is killed, and all must end by themselves.
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
import velbo.training.loop
from velbo.cli import entry
velbo.training.loop.CHECKPOINT_SECONDS = {CHECKPOINT_SECONDS}
entry()
"""
IMPORTS_SECONDS = 3


def velbo(processes: int, folder: Path) -> list[str]:
    """The beginning of a command."""
    if processes == 1:
        return [sys.executable, "-c", START]
    script = folder / "start.py"
    script.write_text(START)
    return [sys.executable, *f"-m torch.distributed.run --nproc-per-node {processes} -- {script}".split()]


def kill(process: subprocess.Popen[bytes], rank: int, processes: int) -> None:
    """It, or the process of a rank that it has started (found by /proc of Linux); all have ended then."""
    if processes == 1:
        process.kill()
    else:
        of_rank = list[str]()
        while process.poll() is None and not of_rank:
            time.sleep(0.05)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            words = {child: Path(f"/proc/{child}/environ").read_bytes().split(b"\0") for child in children}
            of_rank = [child for child in children if f"RANK={rank}".encode() in words[child]]
        if of_rank:
            os.kill(int(of_rank[0]), signal.SIGKILL)
    process.wait(120)


def files(run: Path) -> dict[str, bytes]:
    """Everything that must be equal: the model, the metrics, and the last checkpoint's tensors."""
    last = max((run / "checkpoint").iterdir())
    return {
        "model.safetensors": (run / "model.safetensors").read_bytes(),
        "metrics.jsonl": (run / "metrics.jsonl").read_bytes(),
        f"checkpoint {last.name}": (last / "tensors.safetensors").read_bytes(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=None, help="of the moments; a new one every time if not given")
    parser.add_argument("--torchrun", type=int, default=1, help="processes")
    options = parser.parse_args()
    moments = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        start_velbo = velbo(options.torchrun, Path(folder))
        common = [
            options.data, "--rows", str(options.rows), "--epochs", str(options.epochs), "--recipe", "mlp",
            "--likelihood", "bernoulli", "--run",
        ]  # fmt: skip
        start = time.monotonic()
        subprocess.run([*start_velbo, "fit", *common, str(whole)], check=True, capture_output=True)
        seconds = time.monotonic() - start
        print(f"left alone: {seconds:.0f} s")
        command = [*start_velbo, "fit", *common, str(killed)]
        for i in range(options.kills):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            moment = IMPORTS_SECONDS + moments.uniform(0.3, 1.2) * seconds / (options.kills + 1)
            try:
                process.wait(moment)
                print(f"kill {i + 1}: not needed, the run had ended")
            except subprocess.TimeoutExpired:
                rank = moments.randrange(options.torchrun)
                kill(process, rank, options.torchrun)
                kept = sorted(p.name for p in (killed / "checkpoint").glob("[0-9]*")) or ["none yet"]
                print(f"kill {i + 1}: of rank {rank} after {moment:.1f} s; last checkpoint {kept[-1]}")
            command = [*start_velbo, "resume", str(killed)] if (killed / "config.json").exists() else command
        subprocess.run(command, check=True, capture_output=True)
        a, b = files(whole), files(killed)
        print("bit-equal" if a == b else f"DIFFERENT: {[k for k in a if a[k] != b.get(k)]}")
        sys.exit(a != b)


if __name__ == "__main__":
    main()
