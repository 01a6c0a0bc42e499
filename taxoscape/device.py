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

    A process among several that train one model (torchrun) has been given its GPU already. Raises InputError where
    there is no GPU; `key` names the setting.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError(f"{key} is cuda, but PyTorch finds no CUDA device here: set it to cpu")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(device == "cpu")
    if device == "cuda" and not HELD and int(os.environ.get("WORLD_SIZE", 1)) == 1:
        cards = [str(torch.cuda.get_device_properties(card).uuid) for card in range(torch.cuda.device_count())]
        torch.cuda.set_device(claim(cards, Path(tempfile.gettempdir(), f"taxoscape-gpus-{os.getuid()}")))


def claim(cards: Sequence[str], folder: Path) -> int:
    """Lock one of the GPUs, by their names, for as long as this process lives; its place. Waits where all are taken."""
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
        if not told:
            print(f"all {len(cards)} GPUs are taken by other jobs of this machine: waiting for one", flush=True)
        told = True
        time.sleep(WAIT)
