"""Raster in torch: the same linear map as taxoscape.raster, dense, on any device, differentiable in all its inputs."""

import torch

from taxoscape.raster import TRUNCATE


def rasterize(
    values: torch.Tensor,
    row: torch.Tensor,
    col: torch.Tensor,
    sigma: torch.Tensor,
    channels: torch.Tensor,
    size: int,
    kernel: str = "point",
) -> torch.Tensor:
    """Images [N, C, size, size] of values [N, D]; `row`, `col`, `sigma` [D] in pixels, `channels` [D, C].

    I = sum_i v_i a_i(h) b_i(w) f_ic as one matrix product over taxa, on the device and in the dtype of `values`.
    Kernels and weights are computed in the dtypes of positions and channels and rounded for the product alone: with
    values in bfloat16 and the rest in float32, the image is off by less than 1 % of its standard deviation.
    """
    rows, columns = (profiles(centre, sigma, size, kernel) for centre in (row, col))
    kernels = (rows[:, :, None] * columns[:, None, :]).to(values.dtype)  # [D, H, W]
    weights = (values[:, None, :] * channels.T[None, :, :]).to(values.dtype)  # [N, C, D]
    return (weights @ kernels.flatten(1)).unflatten(-1, (size, size))


def profiles(centre: torch.Tensor, sigma: torch.Tensor, size: int, kernel: str = "point") -> torch.Tensor:
    """Gaussian profiles [D, size] along one axis, as taxoscape.raster.profiles has them.

    The cut itself has no gradient: a kernel is below 4e-6 of its peak there.
    """
    distance = torch.arange(size, device=centre.device, dtype=centre.dtype)[None, :] - centre[:, None]
    if kernel == "integrated":
        near, far = (torch.special.ndtr((-distance.abs() + half) / sigma[:, None]) for half in (0.5, -0.5))
        inside = distance.abs() <= (TRUNCATE * sigma)[:, None] + 0.5
        profile = torch.where(inside, near - far, torch.zeros_like(distance))
        return profile / profile.sum(dim=1, keepdim=True)
    inside = distance.abs() <= (TRUNCATE * sigma).clamp(min=0.5)[:, None]
    exponent = -0.5 * (distance / sigma[:, None]) ** 2
    return torch.softmax(exponent.masked_fill(~inside, -torch.inf), dim=1)
