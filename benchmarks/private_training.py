"""What privacy costs: models of adult's rows without it and with epsilon 10, 3 and 1, same rows, same measures.

    python benchmarks/private_training.py --data FOLDER [--epsilons 0 10 3 1 --seed 0 --epochs 20 --batch-size 512]

5,000 rows are trained on and as many others are held out, as synthetic_tables.py splits them; epsilon 0 is training
without privacy, with the same model, steps and batches. Measures are those of synthetic_tables.py:

    log_p    nats a held-out row, 2,000 at most, a lower bound by 50 importance samples
    gap      F1 of income on held-out rows, trained on real rows less trained on as many synthetic ones
    c2st     AUC of gradient boosting that tells synthetic from held-out rows; 0.5 is best
    closer   share of synthetic rows that are nearer to a training than to a held-out row; 0.5 is best
    noise    standard deviation, in units of the longest gradient of a row
    seconds  of one processor: training
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import torch

from synthetic_tables import census, judged, known, split
from velbo import Recipe, TrainingConfig, fit
from velbo.build.private import HIDDEN
from velbo.config import Budget, Machine, Optimisation, Privacy

SAMPLES, SCORED = 50, 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epsilons", type=float, nargs="+", default=[0, 10, 3, 1])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=512)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    frame = census(options.data)
    train, test = split(frame, options.seed)
    print("| epsilon | delta | noise | log_p | gap | c2st | closer | seconds |\n|---|---|---|---|---|---|---|---|")
    for epsilon in options.epsilons:
        training = TrainingConfig(
            Budget(epochs=options.epochs),
            Optimisation(batch_size=options.batch_size),
            machine=Machine(seed=options.seed),
            privacy=Privacy(epsilon or None),
        )
        start = time.process_time()
        trained = fit(train, Recipe(hidden=HIDDEN), training=training)
        seconds = time.process_time() - start
        log_p = trained.log_likelihood(known(train, test)[:SCORED], SAMPLES).mean()
        found = judged(trained.sample(len(train), options.seed), train, test, frame, "income", options.seed)
        p = trained.plan.training.privacy
        asked = f"{epsilon:g} | {p.delta:.1g} | {p.noise:.2f}" if epsilon else "none | |"
        measures = " | ".join(f"{found[name]:.3f}" for name in ("gap", "c2st", "closer"))
        print(f"| {asked} | {log_p:.2f} | {measures} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
