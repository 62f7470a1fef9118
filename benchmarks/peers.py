"""How others train the same VAE: D-512-20-512-D, Bernoulli likelihood, closed-form KL, Adam, float32.

Each function trains on (N, ...) uint8 in {0, 1}, D numbers a row, and returns (seconds, encode, decode) with
encode: x (B, D) -> (mean, log variance), decode: z -> probabilities (B, D). PyOD's minimises squared error and
clamps its KL to a capacity of 0, so there is no bound of it to compare: its encode and decode are None.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

BATCH, LR, HIDDEN, LATENT = 128, 1e-3, 512, 20
Trained = tuple[float, Callable[[Tensor], tuple[Tensor, Tensor]] | None, Callable[[Tensor], Tensor] | None]


class PlainVAE(nn.Module):
    """What a tutorial writes."""

    def __init__(self, n_dims: int) -> None:
        super().__init__()
        self.up = nn.Sequential(nn.Linear(n_dims, HIDDEN), nn.ReLU())
        self.mean, self.log_var = nn.Linear(HIDDEN, LATENT), nn.Linear(HIDDEN, LATENT)
        self.down = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, n_dims))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.up(x)
        return self.mean(h), self.log_var(h)

    def decode(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.down(z))

    def loss(self, x: Tensor) -> Tensor:
        mean, log_var = self.encode(x)
        z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
        reconstruction = binary_cross_entropy_with_logits(self.down(z), x, reduction="sum")
        kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum()
        return (reconstruction + kl) / len(x)


def _loader(x: Any) -> Any:
    rows = torch.from_numpy(x.reshape(len(x), -1)).float()
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(rows), batch_size=BATCH, shuffle=True)


def plain_loop(x: Any, epochs: int, seed: int) -> Trained:
    """TensorDataset, DataLoader, Adam."""
    torch.manual_seed(seed)
    model, loader = PlainVAE(x[0].size), _loader(x)
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    start = time.perf_counter()
    for _ in range(epochs):
        for (rows,) in loader:
            optimizer.zero_grad()
            model.loss(rows).backward()
            optimizer.step()
    return time.perf_counter() - start, model.encode, model.decode


def lightning(x: Any, epochs: int, seed: int) -> Trained:
    """pytorch-lightning's Trainer with its defaults, bars and files off."""
    import pytorch_lightning as pl

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.vae = PlainVAE(x[0].size)

        def training_step(self, batch: Any, index: int) -> Tensor:
            return self.vae.loss(batch[0])

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=LR)

    torch.manual_seed(seed)
    module, loader = Module(), _loader(x)
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        start = time.perf_counter()
        trainer.fit(module, loader)
        seconds = time.perf_counter() - start
    return seconds, module.vae.encode, module.vae.decode


def pyro(x: Any, epochs: int, seed: int) -> Trained:
    """SVI with TraceMeanField_ELBO, which has the closed-form KL."""
    import pyro as p
    import pyro.distributions as dist

    p.clear_param_store()
    p.set_rng_seed(seed)
    model, loader = PlainVAE(x[0].size), _loader(x)

    def generative(rows: Tensor) -> None:
        p.module("vae", model)
        with p.plate("data", len(rows)):
            z = p.sample("z", dist.Normal(0.0, 1.0).expand([len(rows), LATENT]).to_event(1))
            p.sample("x", dist.Bernoulli(logits=model.down(z), validate_args=False).to_event(1), obs=rows)

    def guide(rows: Tensor) -> None:
        p.module("vae", model)
        with p.plate("data", len(rows)):
            mean, log_var = model.encode(rows)
            p.sample("z", dist.Normal(mean, (0.5 * log_var).exp()).to_event(1))

    svi = p.infer.SVI(
        lambda rows: generative(rows),
        lambda rows: guide(rows),
        p.optim.Adam({"lr": LR}),
        loss=p.infer.TraceMeanField_ELBO(),
    )
    start = time.perf_counter()
    for _ in range(epochs):
        for (rows,) in loader:
            svi.step(rows)
    return time.perf_counter() - start, model.encode, model.decode


def pythae(x: Any, epochs: int, seed: int) -> Trained:
    """BaseTrainer with its defaults."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.CRITICAL)
    torch.manual_seed(seed)
    model = VAE(VAEConfig(input_dim=(1, *x.shape[1:]), latent_dim=LATENT, reconstruction_loss="bce"))
    rows = torch.from_numpy(x).float().unsqueeze(1)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        config = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=epochs,
            learning_rate=LR,
            per_device_train_batch_size=BATCH,
            optimizer_cls="Adam",
            no_cuda=True,
            seed=seed,
        )
        data = BaseDataset(rows, torch.zeros(len(rows)))
        trainer = BaseTrainer(model, train_dataset=data, training_config=config)
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
    model.eval()

    def encode(rows: Tensor) -> tuple[Tensor, Tensor]:
        out = model.encoder(rows.view(-1, 1, *x.shape[1:]))
        return out.embedding, out.log_covariance

    return seconds, encode, lambda z: model.decoder(z)["reconstruction"].flatten(1)


def pyod_vae(x: Any, **options: Any) -> tuple[float, Any]:
    """(seconds of training, PyOD's VAE), without dropout; the scoring of all rows that `fit` ends with is left out."""
    from pyod.models.vae import VAE

    class Timed(VAE):
        def train(self, *arguments: Any) -> None:
            start = time.perf_counter()
            super().train(*arguments)
            self.seconds = time.perf_counter() - start

        def decision_function(self, *arguments: Any, **options: Any) -> Any:
            return np.zeros(len(x))

    detector = Timed(dropout_rate=0.0, verbose=0, **options)
    detector.fit(x)
    return detector.seconds, detector


def pyod(x: Any, epochs: int, seed: int) -> Trained:
    """PyOD's layers for the layout."""
    seconds, _ = pyod_vae(
        x.reshape(len(x), -1).astype(np.float32),
        preprocessing=False,
        encoder_neuron_list=[HIDDEN],
        decoder_neuron_list=[HIDDEN],
        latent_dim=LATENT,
        batch_size=BATCH,
        epoch_num=epochs,
        lr=LR,
        random_state=seed,
    )
    return seconds, None, None


PEERS: dict[str, Callable[[Any, int, int], Trained]] = {
    "pythae 0.1.2": pythae,
    "plain loop + DataLoader": plain_loop,
    "pytorch-lightning": lightning,
    "Pyro": pyro,
    "PyOD": pyod,
}
