"""Adam (Adam: a method for stochastic optimization, Kingma and Ba, 2015, https://arxiv.org/abs/1412.6980), with weight
decay beside the gradient (Decoupled weight decay regularization, Loshchilov and Hutter, 2019,
https://arxiv.org/abs/1711.05101).

    m <- b1 m + (1 - b1) g        v <- b2 v + (1 - b2) g^2        step t, gradient g, learning rate lr, decay w
    theta <- theta - lr w theta - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + 1e-8)
"""

from __future__ import annotations

from collections.abc import Iterable
from inspect import unwrap
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer


class Adam(AdamW):
    """torch's, in one pass over memory. Its methods are those beneath the wrappers that import torch's compiler at
    their first call: a second, though nothing is compiled.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr=lr, betas=betas, weight_decay=weight_decay, fused=True)

    add_param_group = unwrap(Optimizer.add_param_group)
    zero_grad = unwrap(Optimizer.zero_grad)
    state_dict = unwrap(Optimizer.state_dict)
    load_state_dict = unwrap(Optimizer.load_state_dict)
    step = torch.no_grad()(unwrap(AdamW.step))
