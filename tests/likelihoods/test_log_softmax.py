"""The faster way to a short log softmax gives the same numbers."""

from __future__ import annotations

import pytest
import torch

from velbo.likelihoods.log_softmax import log_softmax


@pytest.mark.parametrize("size", [1, 3, 15, 16, 40])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_value_and_gradient_are_torchs_own(size: int, dtype: torch.dtype):
    """To two roundings, with logits that are -inf, however many axes there are; rows stand as before."""
    for lead in ((), (5,), (4, 3), (2, 4, 3)):
        logits = 30 * torch.randn(*lead, size, dtype=dtype)
        if size > 1:
            logits[..., -1] = -torch.inf
        logits.requires_grad_()
        ours, expected = log_softmax(logits), torch.log_softmax(logits, -1)
        close = {"rtol": 2 * torch.finfo(dtype).eps, "atol": 2 * torch.finfo(dtype).eps}
        torch.testing.assert_close(ours, expected, **close)
        assert ours.is_contiguous()
        finite = torch.randn(*lead, size, dtype=dtype)
        g, g_expected = (torch.autograd.grad((p.exp() * finite).sum(), logits)[0] for p in (ours, expected))
        torch.testing.assert_close(g, g_expected)
