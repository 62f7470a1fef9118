"""Trunks: the family's contract, odd sizes, and what they refuse."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn.functional import pad

from contracts.trunks import TrunkContract
from velbo.errors import ConfigError
from velbo.nets import MLP, ConvDecoder, ConvEncoder, FillMissing, FullPrecisionLinear, ResidualMLP
from velbo.nets.conv import smallest
from velbo.runtime.precision import products


class TestMLP(TrunkContract):
    n_in, out = 7, (5,)

    def trunk(self) -> nn.Module:
        return MLP(7, 6, 5)


class TestMLPWithTanh(TrunkContract):
    n_in, out = 7, (5,)

    def trunk(self) -> nn.Module:
        return MLP(7, 6, 5, activation=nn.Tanh)


class TestResidualMLP(TrunkContract):
    n_in, out = 7, (5,)

    def trunk(self) -> nn.Module:
        return ResidualMLP(7, 6, 6, 5)


def test_a_linear_path_leads_through_a_residual_mlp():
    """With the branches silent the trunk is affine: f(x) + f(y) = f(x + y) + f(0)."""
    trunk = ResidualMLP(7, 6, 6, 5).double()
    x, y = torch.randn(2, 4, 7, dtype=torch.float64)
    assert not torch.allclose(trunk(x) + trunk(y), trunk(x + y) + trunk(0 * x))
    for block in (m for m in trunk if hasattr(m, "branch")):
        torch.nn.init.zeros_(block.branch[-1].weight)
        torch.nn.init.zeros_(block.branch[-1].bias)
    torch.testing.assert_close(trunk(x) + trunk(y), trunk(x + y) + trunk(0 * x))


class TestConvEncoder(TrunkContract):
    n_in, out = 11 * 8 * 3, (10,)

    def trunk(self) -> nn.Module:
        return ConvEncoder((11, 8, 3), (4, 6, 5), 10)


class TestConvEncoderWithMask(TrunkContract):
    n_in, out = 2 * 9 * 10, (10,)

    def trunk(self) -> nn.Module:
        return ConvEncoder((9, 10, 1), (4, 6), 10, n_planes=2)


class TestConvDecoder(TrunkContract):
    n_in, out = 5, (11 * 8, 8)

    def trunk(self) -> nn.Module:
        return ConvDecoder(5, (11, 8, 3), (4, 6, 5))


@pytest.mark.parametrize("height", [8, 9, 13, 28, 32, 33])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_any_size_and_channel_count(height, channels):
    shape = (height, height + 3, channels)
    x = torch.randn(2, height * (height + 3) * channels)
    features = ConvEncoder(shape, (4, 6, 8), 7)(x)
    assert features.shape == (2, 7)
    assert ConvDecoder(7, shape, (4, 6, 8))(features).shape == (2, height * (height + 3), 8)


def test_sides_round_up():
    assert smallest(28, 9, 3) == (4, 2)


def test_what_is_padded_is_zero_and_cut_off_again():
    """An image that already has a border of zeros gives the same features as one that is padded with them; the decoder
    of the larger size gives the same pixels, and more.
    """
    torch.manual_seed(0)
    small, large = ConvEncoder((9, 10, 1), (4, 6), 5), ConvEncoder((12, 12, 1), (4, 6), 5)
    large.load_state_dict(small.state_dict())
    image = torch.randn(2, 9, 10, 1)
    bordered = pad(image, (0, 0, 0, 2, 0, 3))
    torch.testing.assert_close(small(image.flatten(1)), large(bordered.flatten(1)))
    down, full = ConvDecoder(5, (9, 10, 1), (4, 6)), ConvDecoder(5, (12, 12, 1), (4, 6))
    full.load_state_dict(down.state_dict())
    z = torch.randn(2, 5)
    torch.testing.assert_close(down(z), full(z).view(2, 12, 12, 8)[:, :9, :10].flatten(1, 2))


def test_pixels_are_in_reading_order_channels_last():
    """A shift of the image by one pixel to the right shifts the decoder-side layout in the same way: the encoder
    reads (H, W, C) rows as torch's (C, H, W) images.
    """
    image = torch.randn(1, 8, 9, 2)
    trunk = ConvEncoder((8, 9, 2), (3,), 4)
    first = trunk[0].stages[0]
    expected = first(pad(image, (0, 0, 0, 1)).permute(0, 3, 1, 2))
    seen = {}
    first.register_forward_hook(lambda m, args, out: seen.update(out=out))
    trunk(image.reshape(1, -1))
    torch.testing.assert_close(seen["out"], expected)


def test_too_small_images_and_too_many_stages_are_refused():
    with pytest.raises(ConfigError, match=r"at least 8 x 8.*resmlp"):
        ConvEncoder((7, 28, 1), (4,))
    with pytest.raises(ConfigError, match="halved 1 to 3 times, not 4"):
        ConvDecoder(3, (8, 8, 1), (4, 4, 4, 4))
    with pytest.raises(ValueError, match="at least one block"):
        ResidualMLP(3)


def test_fill_missing_tells_zeros_from_holes():
    x = torch.tensor([[0.0, float("nan"), 2.0]])
    assert torch.equal(FillMissing()(x), torch.tensor([[0.0, 0.0, 2.0]]))
    assert torch.equal(FillMissing(mask=True)(x), torch.tensor([[0.0, 0.0, 2.0, 1.0, 0.0, 1.0]]))


def test_an_mlp_hands_on_the_variance_it_is_given():
    """Without activations, in a trunk of four layers: E[y^2] = E[x^2], where torch's default leaves 1/81.

    Each of 500 outputs has a variance that is the product of four chi-squares over at least 500 degrees of freedom: a
    standard deviation of 4 sqrt(2/500)/sqrt(500) or 1.1 % for their mean, plus layers' own fluctuation; 15 % is safe.
    """
    torch.manual_seed(0)
    trunk = MLP(500, 500, 500, 500, 500, activation=nn.Identity)
    for layer in trunk:
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)
    y = trunk(torch.randn(2000, 500))
    assert float(y.detach().square().mean()) == pytest.approx(1.0, rel=0.15)


def test_parameters_of_distributions_are_multiplied_in_full():
    """Under either reduced precision the layer gives what it gives alone, bit for bit, and leaves the setting alone."""
    torch.manual_seed(0)
    layer, x = FullPrecisionLinear(64, 32), torch.randn(4096, 64)
    alone = layer(x)
    with products("bf16-products"):
        assert torch.equal(layer(x), alone)
        assert torch.get_float32_matmul_precision() == "medium"
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(x), alone)


def test_the_precision_of_products_is_put_back():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with pytest.raises(ZeroDivisionError), products("bf16-products"):
        raise ZeroDivisionError
    with products("float32"):
        assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == ("highest", False)
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before


OWN_SETTING = """
import torch
torch.backends.cudnn.conv.fp32_precision = "ieee"
torch.backends.mkldnn.matmul.fp32_precision = "bf16"
from velbo.nets import FullPrecisionLinear
from velbo.runtime.precision import products
for precision in ("float32", "bf16-products"):
    with products(precision):
        FullPrecisionLinear(3, 2)(torch.ones(1, 3))
assert torch.backends.cudnn.conv.fp32_precision == "ieee"
assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"
"""


def test_who_sets_kernels_one_by_one_keeps_the_setting():
    """In a process of its own, as torch has no way back from such a setting."""
    subprocess.run([sys.executable, "-c", OWN_SETTING], check=True)
