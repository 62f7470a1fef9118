"""SIGKILL at random moments, resume each time: weights, metrics and the last checkpoint bit-equal to the run that was
left alone.

    python benchmarks/kill_and_resume.py --data mnist.npz:train_images [--kills 5 --rows 20000 --epochs 60]
    python benchmarks/kill_and_resume.py --data digits --rows 1797 --torchrun 2
    python benchmarks/kill_and_resume.py --data digits --rows 1797 --devices 2

With --torchrun or --devices that many processes train together; a random one is killed. Then all must end by
themselves, with an exit code and one line of velbo's, and nothing may be left of them.

The first kill comes before there is a checkpoint. Each other one waits until the run has written a checkpoint more;
then, in turn, for a random time, and for the moment at which a checkpoint is half written. Checkpoints come every half
second here, not every 30, so that the kills of a short run meet some.
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
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CHECKPOINT_SECONDS = 0.5
START = f"""
import velbo.training.loop
from velbo.cli import entry
velbo.training.loop.CHECKPOINT_SECONDS = {CHECKPOINT_SECONDS}
if __name__ == "__main__":  # --devices imports this file in each new process
    entry()
"""
ALL_ENDED_SECONDS = 60
PATIENCE_SECONDS = 180


def children(parent: int) -> Iterator[tuple[int, list[bytes], list[bytes]]]:
    """(number, words of its command, its environment) of each process that another has started; by /proc of Linux."""
    with suppress(OSError):
        for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            with suppress(OSError):
                words, environment = (Path(f"/proc/{child}/{name}").read_bytes() for name in ("cmdline", "environ"))
                yield int(child), words.split(b"\0"), environment.split(b"\0")


def of_rank(parent: int, rank: int, launcher: str) -> int | None:
    """The process of a rank; None while there is none."""
    if not launcher:
        return parent
    if launcher == "torchrun":
        return next((n for n, _, environment in children(parent) if f"RANK={rank}".encode() in environment), None)
    spawned = sorted(n for n, words, _ in children(parent) if any(b"spawn_main" in word for word in words))
    return spawned[rank] if len(spawned) > rank else None


class Campaign:
    """One run that is killed again and again.

    Args:
        launcher: "", "torchrun" or "devices".
        processes: that train together.
        seed: of the moments.
        folder: of the run and of the script that starts it.
        common: words of `velbo fit`.
    """

    def __init__(self, launcher: str, processes: int, seed: int | None, folder: Path, common: list[str]) -> None:
        self.launcher, self.processes, self.moments = launcher, processes, random.Random(seed)
        self.run, self.common = folder / "killed", common
        script = folder / "start.py"
        script.write_text(START)
        by_torchrun = f"-m torch.distributed.run --nproc-per-node {processes} --".split()
        self.velbo = [sys.executable, *(by_torchrun if launcher == "torchrun" else []), str(script)]
        self.output = folder / "said"

    def checkpoints(self) -> list[str]:
        return sorted(p.name for p in (self.run / "checkpoint").glob("[0-9]*"))

    def is_half_written(self) -> bool:
        return any(".tmp." in p.name for p in (self.run / "checkpoint").glob(".*"))

    def command(self) -> list[str]:
        if (self.run / "config.json").exists():
            return [*self.velbo, "resume", str(self.run)]
        return [*self.velbo, "fit", *self.common, str(self.run)]

    def kill(self, when: str) -> bool:
        """Start or go on, and kill at such a moment: whether all ended as they must."""
        before = self.checkpoints()
        with self.output.open("wb") as said:
            process = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, stderr=said)
            if not self._wait(process, when, before):
                print("not needed: the run had ended")
                return process.returncode == 0
            half = self.is_half_written()
            rank = self.moments.randrange(self.processes)
            while (target := of_rank(process.pid, rank, self.launcher)) is None and process.poll() is None:
                time.sleep(0.05)
            team = [n for n, *_ in children(process.pid)]
            os.kill(target or process.pid, signal.SIGKILL)
            start = time.monotonic()
            try:
                code = process.wait(ALL_ENDED_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                code = None
        seconds, left = time.monotonic() - start, [n for n in team if n != target]
        # multiprocessing's own helper ends a moment after the process that it helps
        while (left := [n for n in left if Path(f"/proc/{n}").exists()]) and time.monotonic() - start < seconds + 10:
            time.sleep(0.1)
        said = self.output.read_text(errors="replace")
        lines = [line for line in said.splitlines() if line.startswith("velbo: ")]
        # torchrun ends those that do not yet train before they can say a word, and tells of the lost one itself
        told = len(lines) or int(self.launcher == "torchrun" and "Signal 9 (SIGKILL)" in said)
        passed = bool(code) and not left and told == (1 if self.launcher else 0)
        print(
            f"process {rank + 1} killed {when}: {'in' if half else 'not in'} a checkpoint, last one "
            f"{(self.checkpoints() or ['none'])[-1]}; all ended after {seconds:.1f} s, "
            f"exit code {code}, {len(left)} left, {len(lines)} lines{'' if passed else ': FAILED'}",
            flush=True,
        )
        for line in lines:
            print(f"    {line}")
        return passed

    def _wait(self, process: subprocess.Popen[bytes], when: str, before: list[str]) -> bool:
        """Whether the moment came while the process was running."""
        delay = self.moments.uniform(0, 2 * CHECKPOINT_SECONDS)
        stop = time.monotonic() + PATIENCE_SECONDS
        is_there = False
        while process.poll() is None and time.monotonic() < stop:
            names = self.checkpoints()
            if when == "before the first checkpoint":
                is_there = (self.run / "config.json").exists()
            else:
                is_there = bool(names) and (not before or names[-1] > before[-1])
            if is_there:
                break
            time.sleep(0.02)
        stop = time.monotonic() + (PATIENCE_SECONDS if when == "in a checkpoint" else delay)
        while is_there and process.poll() is None and time.monotonic() < stop:
            if when == "in a checkpoint" and self.is_half_written():
                break
            time.sleep(0.0005 if when == "in a checkpoint" else 0.02)
        return process.poll() is None


def files(run: Path) -> dict[str, bytes]:
    """Everything that must be equal: the model, the metrics, and the last checkpoint's tensors."""
    last = max((run / "checkpoint").iterdir())
    return {
        "model.safetensors": (run / "model.safetensors").read_bytes(),
        "metrics.jsonl": (run / "metrics.jsonl").read_bytes(),
        f"checkpoint {last.name}": (last / "tensors.safetensors").read_bytes(),
    }


WHEN = "after a checkpoint", "in a checkpoint", "before the first checkpoint"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=None, help="of the moments; a new one every time if not given")
    together = parser.add_mutually_exclusive_group()
    together.add_argument("--torchrun", type=int, default=1, help="processes")
    together.add_argument("--devices", type=int, default=1, help="processes")
    options = parser.parse_args()
    launcher = "torchrun" if options.torchrun > 1 else "devices" if options.devices > 1 else ""
    processes = max(options.torchrun, options.devices)
    with tempfile.TemporaryDirectory() as name:
        common = [
            options.data, "--rows", str(options.rows), "--epochs", str(options.epochs), "--recipe", "mlp",
            "--likelihood", "bernoulli", "--no-report",
            *(["--devices", str(processes)] if launcher == "devices" else []), "--run",
        ]  # fmt: skip
        campaign = Campaign(launcher, processes, options.seed, Path(name), common)
        whole, start = Path(name, "whole"), time.monotonic()
        subprocess.run([*campaign.velbo, "fit", *common, str(whole)], check=True, capture_output=True)
        print(f"left alone: {time.monotonic() - start:.0f} s", flush=True)
        # the first before any checkpoint is there, then in turn
        turns = [WHEN[2], *(WHEN[i % 2] for i in range(options.kills - 1))]
        passed = [campaign.kill(when) for when in turns]
        subprocess.run(campaign.command(), check=True, capture_output=True)
        a, b = files(whole), files(campaign.run)
        print("bit-equal" if a == b else f"DIFFERENT: {[k for k in a if a[k] != b.get(k)]}")
        sys.exit(a != b or not all(passed))


if __name__ == "__main__":
    main()
