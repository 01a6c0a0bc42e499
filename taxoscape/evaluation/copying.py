"""Copying: are generated samples nearer to the training samples than to samples the generator never saw?"""

import numpy as np
from scipy.spatial.distance import cdist

# Equal-sized draws from the larger side that are averaged.
DRAWS = 10


def nearer_to_training(
    generated: np.ndarray, training: np.ndarray, held_out: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Chance [M] that a generated sample's nearest neighbour (Bray-Curtis) is a training sample; ties count half.

    As many training as held-out samples compete, drawn DRAWS times: more of one side would win by number alone. Its
    mean is 0.5 for a generator that has learned the population and copies nobody.
    """
    to_training, to_held_out = cdist(generated, training, "braycurtis"), cdist(generated, held_out, "braycurtis")
    number = min(len(training), len(held_out))
    nearer = np.zeros(len(generated))
    for _ in range(DRAWS):
        a = to_training[:, rng.permutation(len(training))[:number]].min(axis=1)
        b = to_held_out[:, rng.permutation(len(held_out))[:number]].min(axis=1)
        nearer += (a < b) + 0.5 * (a == b)
    return nearer / DRAWS
