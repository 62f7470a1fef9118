"""Estimators against exact answers, as tables: the three forms of the ELBO, log-likelihood bounds, gradients, and the
trained linear VAE against probabilistic PCA.

    python benchmarks/exactness.py
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch import Tensor, nn

from velbo import VAE, Annealing, LinearGaussian, anneal, anneal_backwards, bound_curve, score_rows, train
from velbo.config import Budget, Optimisation, TrainingConfig, Validation, Weighting
from velbo.evaluation import simulate
from velbo.likelihoods import LearnedScale, Normal
from velbo.objectives import elbo_closed, elbo_joint, elbo_split, make_objective
from velbo.posteriors import DiagonalNormal
from velbo.priors import StandardNormal
from velbo.rows import Store

ESTIMATORS = ("elbo", "elbo-sampled", "stl", "score-function", "iwae", "dreg")
FORMS: dict[str, Callable[[Any], Tensor]] = {
    "(1) joint": elbo_joint,
    "(2) split": elbo_split,
    "(3) closed": elbo_closed,
}


@torch.no_grad()
def forms() -> None:
    """Error of each form against the exact ELBO, and its rate in L."""
    oracle = LinearGaussian.random(6, 3, seed=1)
    exact_case = LinearGaussian.random(6, 3, seed=2, orthogonal=True)
    x, y = oracle.sample(2000), exact_case.sample(2000)
    elbo, terms = oracle.elbo(x, *oracle.best_diagonal(x)), exact_case.vae().terms(y, 3)
    counts = [1, 4, 16, 64, 256]
    print("\nForms of the ELBO: error where the integrand is constant | r.m.s. error for L = 1 .. 256 | rate")
    for name, form in FORMS.items():
        errors = [float((form(oracle.vae().terms(x, n)) - elbo).square().mean().sqrt()) for n in counts]
        slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
        constant = float((form(terms) - exact_case.log_px(y)).abs().max())
        print(f"  {name:11s} {constant:9.1e} | " + " ".join(f"{e:7.4f}" for e in errors) + f" | L^{slope:.3f}")


def bounds() -> None:
    """ELBO, IWAE bound and log p(x) against closed form; zero-variance and noisy oracle."""
    for title, oracle in (
        ("q = posterior (every figure must be exact)", LinearGaussian.random(6, 3, seed=2, orthogonal=True)),
        ("q = best diagonal", LinearGaussian.random(6, 3, seed=1)),
    ):
        x = oracle.sample(1000)
        mean, scale = oracle.best_diagonal(x)
        print(
            f"\nOracle, {title}: exact log p(x) {oracle.log_px(x).mean():.6f}, "
            f"ELBO {oracle.elbo(x, mean, scale).mean():.6f}"
        )
        for n in (1, 7, 150):
            results = [score_rows(oracle.vae(), Store.from_tensor(x), n, chunk) for chunk in (None, 1, 4, 64)]
            spread = max(float((r.log_likelihood - results[0].log_likelihood).abs().max()) for r in results)
            error = results[0].log_likelihood - oracle.log_px(x)
            print(
                f"  n {n:4d}: log p {results[0].log_likelihood.mean():.6f} (mean error {error.mean():+.1e}, largest "
                f"{error.abs().max():.1e}), ELBO {results[0].elbo.mean():.6f}; other chunks differ by {spread:.0e}"
            )


def annealed() -> None:
    """log p(x) from both sides, its width and rate in the number of temperatures, and E[w] / p(x)."""
    oracle = LinearGaussian.random(6, 3, seed=0)
    model = oracle.vae()
    x, z = simulate(model, 200)
    exact, counts, widths = oracle.log_px(x), [10, 30, 100, 300], []
    print(
        f"\nAnnealing, 200 rows of the model's own, 8 chains: exact log p(x) {exact.mean():.4f}; errors of the bounds"
    )
    for temperatures in counts:
        settings = Annealing(temperatures, chains=8, leapfrog=5)
        run, above = anneal(model, x, settings), anneal_backwards(model, x, z, settings).bound
        ratio = (run.log_w - exact).exp()
        widths.append(float((above - run.bound).mean()))
        print(
            f"  T {temperatures:4d}: from below {float((run.bound - exact).mean()):+.4f}, from above "
            f"{float((above - exact).mean()):+.4f}, width {widths[-1]:.4f}, acceptance {run.acceptance:.2f}, "
            f"E[w]/p(x) {float(ratio.mean()):.3f} +- {float(ratio.std()) / math.sqrt(ratio.numel()):.3f}"
        )
    print(f"  width falls as T^{np.polyfit(np.log(counts), np.log(widths), 1)[0]:.2f}")
    curve = bound_curve(model, Store.from_tensor(x), 1024)
    errors = curve.bounds.mean(1) - exact.mean()
    print("  importance sampling, K = 1, 2, 4 .. 1024: " + " ".join(f"{float(e):+.4f}" for e in errors))


def per_row_gradients(vae: VAE, objective: Any, x: Tensor) -> Tensor:
    """Encoder gradients of each row's surrogate, (B, parameters)."""
    seen: dict[str, Tensor] = {}

    def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
        output.retain_grad()
        seen["y"] = output

    handle = next(m for m in vae.encoder.modules() if isinstance(m, nn.Linear)).register_forward_hook(hook)
    objective(vae.terms(x, objective.samples, objective.draw)).surrogate.sum().backward()
    handle.remove()
    dy = seen["y"].grad
    assert dy is not None
    return torch.cat([(dy.unsqueeze(-1) * x.unsqueeze(1)).flatten(1), dy], 1)


def gradients(rows: int = 100_000) -> None:
    """Bias (in standard errors, the largest coordinate) and variance of each estimator, off and at the optimum."""
    oracle = LinearGaussian.random(5, 2, seed=4, orthogonal=True)
    print(f"\nGradients of the encoder, {rows} estimates: largest |bias| in standard errors, total variance")
    print(f"  {'':16s} {'L':>2s} {'off optimum':>24s} {'at optimum (q = posterior)':>30s}")
    torch.manual_seed(0)
    for name in ESTIMATORS:
        for samples in (1, 8):
            line = f"  {name:16s} {samples:2d}"
            for shift in (0.05, 0.0):
                vae, x = oracle.vae(), oracle.sample(1)
                with torch.no_grad():
                    for p in vae.encoder.parameters():
                        p += shift * torch.randn(p.shape, generator=torch.Generator().manual_seed(0), dtype=p.dtype)
                g = per_row_gradients(vae, make_objective(name, samples), x.expand(rows, -1))
                bias = bias_in_errors(oracle, vae, x, g) if name not in ("iwae", "dreg") or samples == 1 else math.nan
                line += f"  bias {bias:5.2f}  variance {g.var(0).sum():9.2e}"
            print(line)
    print("  (the bounds of iwae and dreg with 8 samples are not the ELBO, so their bias against it has no meaning)")


def bias_in_errors(oracle: LinearGaussian, vae: VAE, x: Tensor, estimates: Tensor) -> float:
    q = vae.encode(x)
    exact = torch.autograd.grad(oracle.elbo(x, q.mean, q.stddev).sum(), list(vae.encoder.parameters()))
    error = estimates.std(0) / math.sqrt(len(estimates)) + 1e-12
    return float(((estimates.mean(0) - torch.cat([e.flatten() for e in exact])) / error).abs().max())


def probabilistic_pca() -> None:
    """The linear VAE, trained, against closed forms; nats a row on digits / 16."""
    x = torch.from_numpy(load_digits().data / 16)
    x = x - x.mean(0)
    print("\nLinear VAE on digits / 16, nats a row: trained, scikit-learn's PCA.score, exact maximum likelihood")
    for q in (2, 10, 20):
        torch.manual_seed(0)
        vae = VAE(
            nn.Sequential(DiagonalNormal(64, q)),
            nn.Sequential(Normal(q, 64, LearnedScale(initial=0.3))),
            StandardNormal(q),
        )
        config = TrainingConfig(
            Budget(epochs=300), Optimisation(batch_size=64, lr=2e-2), Weighting(beta_warmup=0), Validation(validation=0)
        )
        history = train(vae, x.float(), config=config)
        weight, bias, sigma = vae.decoder[0].linear.weight, vae.decoder[0].linear.bias, vae.decoder[0].scale(x[:1])
        with torch.no_grad():
            learned = LinearGaussian(weight.double(), bias.double(), sigma.double().squeeze()).log_px(x).mean()
        theirs = PCA(q).fit(x.numpy()).score(x.numpy())
        best = LinearGaussian.maximum_likelihood(x, q).log_px(x).mean()
        print(
            f"  q = {q:2d}: {learned:9.4f} {theirs:9.4f} {best:9.4f}  {learned - theirs:+.4f} ({history.seconds:.0f} s)"
        )


def main() -> None:
    torch.set_num_threads(1)  # small matrices: more threads only wait for each other
    forms()
    bounds()
    annealed()
    gradients()
    probabilistic_pca()


if __name__ == "__main__":
    main()
