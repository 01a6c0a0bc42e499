"""Where a network runs: CPU threads, algorithms that repeat byte for byte, and a GPU of its own for every job.

Snakemake counts GPUs (`resources: gpu`) but hands none out. A job locks a file per GPU, and the operating system
releases the lock when the job ends, however it ends.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import torch

from taxoscape.errors import InputError

HELD: list[IO] = []  # locks of this process, open until it ends
WAIT = 1.0  # seconds between two looks for a free GPU


def settle(device: str, threads: int, key: str) -> None:
    """Fix the threads of torch; on the CPU ask for algorithms that give the same bytes, on CUDA take a free GPU.

    Raises InputError where there is no GPU, or fewer than processes that train one model here; `key` names the setting.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError(f"{key} is cuda, but PyTorch finds no CUDA device here: set it to cpu")
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    if device == "cuda" and processes > torch.cuda.device_count():
        raise InputError(f"{processes} processes train together, but this machine has {torch.cuda.device_count()} GPUs")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(device == "cpu")
    if device == "cuda" and not HELD:
        _claim_here()


def here(device: str, key: str) -> str:
    """`auto` as cuda where a GPU of this machine is free, which is this process's then, or else as cpu; says which."""
    if device != "auto":
        return device
    if torch.cuda.is_available() and _claim_here(wait=False):
        print(f"{key} is auto: on a GPU that was free")
        return "cuda"
    print(f"{key} is auto: on the CPU, no GPU is free here")
    return "cpu"


def placed(section: dict, key: str) -> dict:
    """Section of a config with its `device` as `here` finds it; `key` names the setting."""
    return {**section, "device": here(section["device"], key)}


def _claim_here(wait: bool = True) -> bool:
    """Take a GPU of this machine, and say whether one was had."""
    cards = [str(torch.cuda.get_device_properties(card).uuid) for card in range(torch.cuda.device_count())]
    place = claim(cards, Path(tempfile.gettempdir(), f"taxoscape-gpus-{os.getuid()}"), wait)
    if place is not None:
        torch.cuda.set_device(place)
    return place is not None


def claim(cards: Sequence[str], folder: Path, wait: bool = True) -> int | None:
    """Lock one of the GPUs, by their names, for as long as this process lives; its place.

    Where all are taken it waits for one, or, without `wait`, gives none.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    told = False
    while True:
        for place, card in enumerate(cards):
            handle = (folder / card).open("a")
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                handle.close()
                continue
            HELD.append(handle)
            return place
        if not wait:
            return None
        if not told:
            print(f"all {len(cards)} GPUs are taken by other jobs of this machine: waiting for one", flush=True)
        told = True
        time.sleep(WAIT)
