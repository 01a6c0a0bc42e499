"""The denoiser over landscapes: noisy log-ratios are drawn as an image, a U-Net reads it, its image is read back.

Noise stays in the range of the raster map. Drawn per pixel it would be all but orthogonal to it (D taxa, thousands of
pixels), and a step could leave it; so the state are the log-ratios, the image is what the network sees and says, and
the exact inverse (A'A)^-1 A' projects what it says onto images that are landscapes.
"""

import math
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel
from torch import nn
from torch.nn import functional

from taxoscape import raster_torch
from taxoscape.basis import Basis
from taxoscape.errors import InputError
from taxoscape.learning import HEADS
from taxoscape.learning.conditions import ConditionTokens
from taxoscape.learning.layers import angle, time_features, zero_

# Channels of the U-Net that share one normalisation.
GROUP = 4
# The U-Net's unit of time.
TIMES = 1000.0


@dataclass(frozen=True)
class Canvas:
    """Where each taxon is drawn and in which channels, as tensors of one number type, so that they can be saved."""

    row: torch.Tensor  # [D] pixels
    col: torch.Tensor  # [D] pixels
    sigma: torch.Tensor  # [D] pixels
    channels: torch.Tensor  # [D, C]
    size: int  # pixels per side
    kernel: str  # point | integrated


def canvas_of(basis: Basis) -> Canvas:
    """Canvas of a study's images."""
    arrays = (torch.tensor(getattr(basis, name)).float() for name in ("row", "col", "sigma", "channels"))
    return Canvas(*arrays, basis.size, basis.kernel)


def place_rest(canvas: Canvas) -> Canvas:
    """The canvas with one place more, for the reads of all other taxa: the free pixel farthest from any taxon.

    It has the taxa's mean channels and median width. Raises InputError where no pixel is free.
    """
    cells = torch.cartesian_prod(torch.arange(canvas.size), torch.arange(canvas.size)).float()
    away = torch.cdist(cells, torch.stack([canvas.row, canvas.col], dim=1)).amin(dim=1)
    if away.max() < 1:
        raise InputError(
            f"images.size={canvas.size} leaves no pixel free beside {len(canvas.row)} taxa, and diffusion.model: unet "
            "needs one for the reads of all others: raise images.size or layout.prevalence"
        )
    row, col = cells[away.argmax()]
    return Canvas(
        row=torch.cat([canvas.row, row[None]]),
        col=torch.cat([canvas.col, col[None]]),
        sigma=torch.cat([canvas.sigma, canvas.sigma.median()[None]]),
        channels=torch.cat([canvas.channels, canvas.channels.mean(dim=0)[None]]),
        size=canvas.size,
        kernel=canvas.kernel,
    )


class Raster(nn.Module):
    """Values [B, D] to images [B, C, size, size] and back, exactly.

    The map of taxoscape.raster with every taxon scaled to the same norm, so that independent values of variance 1
    make pixels of variance 1 on average.
    """

    def __init__(self, canvas: Canvas):
        super().__init__()
        rows, columns = (
            raster_torch.profiles(centre, canvas.sigma, canvas.size, canvas.kernel)
            for centre in (canvas.row, canvas.col)
        )
        kernels = functional.normalize((rows[:, :, None] * columns[:, None, :]).flatten(1), dim=1)  # [D, H W]
        channels = functional.normalize(canvas.channels, dim=1)
        taxa, number = channels.shape
        self.size, self.scale = canvas.size, math.sqrt(number * canvas.size**2 / taxa)
        self.register_buffer("kernels", kernels, persistent=False)
        self.register_buffer("channels", channels, persistent=False)
        gram = (kernels.double() @ kernels.double().T) * (channels.double() @ channels.double().T)
        self.register_buffer("inverse", torch.linalg.inv(gram).float(), persistent=False)

    def draw(self, values: torch.Tensor) -> torch.Tensor:
        """Images [B, C, size, size] of values [B, D]."""
        weights = values[:, None] * self.channels.T  # [B, C, D]
        return self.scale * (weights @ self.kernels).unflatten(-1, (self.size, self.size))

    def read(self, images: torch.Tensor) -> torch.Tensor:
        """Values [B, D] whose images are nearest to `images` [B, C, size, size], by least squares."""
        products = ((images.flatten(2) @ self.kernels.T) * self.channels.T).sum(dim=1)
        return products @ self.inverse / self.scale


class LandscapeDenoiser(nn.Module):
    """(noisy [B, D], signal a [B], noise s [B], values [B, F], missing [B, F]) -> target [B, D].

    `patch` x `patch` pixels share a place of the U-Net, each with channels of its own (space to depth): most pixels
    lie between taxa, and so `patch`^2 times fewer places are convolved. `blocks` are its resolutions, each with twice
    the channels of the one before; metadata tokens are attended to at the lowest. The time is that
    of learning.layers.angle.
    """

    def __init__(self, canvas: Canvas, categories: list[int], width: int, blocks: int, dropout: float, patch: int):
        super().__init__()
        self.width = width
        self.raster, self.tokens = Raster(canvas), ConditionTokens(categories, width)
        self.apart, self.together = nn.PixelUnshuffle(patch), nn.PixelShuffle(patch)
        number = canvas.channels.shape[1] * patch**2
        down, up = ["DownBlock2D"] * (blocks - 1), ["UpBlock2D"] * (blocks - 1)
        self.unet = UNet2DConditionModel(
            in_channels=number,
            out_channels=number,
            down_block_types=(*down, "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", *up),
            block_out_channels=[width * 2**level for level in range(blocks)],
            layers_per_block=1,
            cross_attention_dim=width,
            attention_head_dim=HEADS,
            norm_num_groups=width // GROUP,
            dropout=dropout,
        )
        self.through = zero_(nn.Linear(width, 1))
        zero_(self.unet.conv_out)

    def forward(
        self,
        noisy: torch.Tensor,
        signal: torch.Tensor,
        noise: torch.Tensor,
        values: torch.Tensor,
        missing: torch.Tensor,
    ) -> torch.Tensor:
        time = angle(signal, noise)
        image = self.apart(self.raster.draw(noisy))
        predicted = self.unet(image, TIMES * time, self.tokens(values, missing)).sample
        return self.raster.read(self.together(predicted)) + self.through(time_features(time, self.width)) * noisy
