"""Settings of section `diffusion` that no study can have, before any job."""

from taxoscape.errors import InputError
from taxoscape.learning import HEADS


def check_diffusion(config: dict) -> None:
    """Raise InputError for a width that its heads cannot share, and for images that the U-Net cannot halve so often."""
    settings, size = config["diffusion"], config["images"]["size"]
    width, model = settings["width"], settings["model"]
    if model != "copula" and width % HEADS:
        raise InputError(f"diffusion.width={width}: choose a multiple of {HEADS}, the number of attention heads")
    parts = settings["patch"] * 2 ** (settings["blocks"] - 1)
    if model == "unet" and size % parts:
        raise InputError(
            f"images.size={size} is no multiple of {parts}, which patches of {settings['patch']} pixels and "
            f"{settings['blocks']} blocks need: lower diffusion.patch or diffusion.blocks"
        )
