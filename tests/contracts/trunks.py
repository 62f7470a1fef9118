"""What every trunk, tensor -> tensor, owes."""

from __future__ import annotations

import torch
from torch import nn


class TrunkContract:
    """A member gives `trunk()`, `n_in` numbers in, and `out` (shape of the features of one row)."""

    n_in: int
    out: tuple[int, ...]

    def trunk(self) -> nn.Module:
        raise NotImplementedError

    def test_leading_dimensions_are_free(self):
        trunk, x = self.trunk().double(), torch.randn(2, 3, 4, self.n_in, dtype=torch.float64)
        whole = trunk(x)
        assert whole.shape == (2, 3, 4, *self.out)
        torch.testing.assert_close(whole[1, 2], trunk(x[1, 2]))
        torch.testing.assert_close(whole[1, 2, 3], trunk(x[1, 2, 3]))

    def test_every_parameter_and_input_has_a_gradient(self):
        """No dead layer: after one step from the initialisation (where branches start at zero) all gradients live."""
        trunk = self.trunk().double()
        x = torch.randn(6, self.n_in, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD(trunk.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            trunk(x).square().sum().backward()
            optimizer.step()
        for name, p in trunk.named_parameters():
            assert p.grad is not None, name
            assert p.grad.abs().sum() > 0, name
        assert x.grad is not None
        assert (x.grad.abs().sum(0) > 0).all()
