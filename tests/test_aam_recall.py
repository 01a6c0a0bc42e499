"""Recall: masked nucleotides from the nearest known ASVs, none of which is the sequence itself."""

import math

import numpy as np
import torch

from taxoscape.aam import recall, tokens
from taxoscape.aam.recall import Recall


def recall_of(*sequences: str, doubt: float = 1e-6, sharpness: float = 50.0, nearby: float = 1e-6) -> Recall:
    model = Recall(30)
    model.remember(tokens.tokenize(sequences, 30))
    with torch.no_grad():
        model.doubt.copy_(torch.tensor(doubt).logit() / recall.SPEED)
        model.sharpness.copy_(torch.tensor(sharpness).log() / recall.SPEED)
        model.nearby.fill_(math.log(nearby) / recall.SPEED)
    return model


def hide(sequence: str, *places: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A sequence masked at these places, and the whole."""
    clean = tokens.tokenize([sequence], 30)
    seen = clean.clone()
    seen[0, [1 + place for place in places]] = tokens.MASK
    return seen, clean


def test_a_sharp_recall_copies_the_nearest_known_asv():
    model = recall_of("ACGTACGT", "TTTTTTTT", "ACGTCCCC")
    said = model(*hide("ACGTACGG", 0, 7)).argmax(dim=2)[0]
    assert "".join(tokens.NUCLEOTIDES[letter] for letter in said) == "ACGTACGT"


def test_no_asv_recalls_itself():
    """The whole ACGTACGT is known, and so is a relative: only the relative is asked."""
    model = recall_of("ACGTACGT", "ACGTACGC")
    assert model(*hide("ACGTACGT", 7)).argmax(dim=2)[0, 7] == tokens.NUCLEOTIDES.index("C")
    alone = recall_of("ACGTACGT")
    torch.testing.assert_close(alone(*hide("ACGTACGT", 7)).softmax(dim=2)[0], alone.frequency[:8].exp())


def test_agreement_weighs_exponentially_and_doubt_asks_the_frequencies():
    """Of nine visible letters one known ASV agrees in nine, the other in eight: odds of e to the sharpness."""
    model = recall_of("AAAAAAAAAC", "AAAAAAAACG", doubt=0.2, sharpness=1.5)
    said = model(*hide("AAAAAAAAAT", 9)).exp()[0, 9]
    first = np.exp(1.5) / (1 + np.exp(1.5))
    vote, frequency = np.array([0, first, 1 - first, 0]), np.array([1, 2, 2, 1]) / 6
    np.testing.assert_allclose(said.detach().numpy(), 0.8 * vote + 0.2 * frequency, rtol=1e-4)


def test_recall_is_learned():
    model = recall_of("ACGTACGTAC", "ACGTACGTTT", doubt=0.3, sharpness=1.0)
    model(*hide("ACGTACGTAC", 9))[0, 9, 1].backward()
    assert model.doubt.grad != 0
    model = recall_of("ACGTACGTAC", "TTTTACGTTT", doubt=0.3, sharpness=0.1)
    model(*hide("ACGTACGTAT", 9))[0, 9, 3].backward()
    assert model.sharpness.grad != 0


def test_of_asvs_that_agree_alike_those_that_agree_nearby_are_believed():
    """Both known ASVs differ in one letter: the first at the other end, the second next to the masked place."""
    whole = "A" * 24
    far, near = "C" + whole[1:22] + "GA", whole[:21] + "CTA"
    even = recall_of(far, near)(*hide(whole, 22)).exp()[0, 22]
    torch.testing.assert_close(even[[2, 3]], torch.tensor([0.5, 0.5]), atol=1e-3, rtol=0)
    local = recall_of(far, near, nearby=5.0)(*hide(whole, 22)).exp()[0, 22]
    assert local[2] > 0.99


def test_a_masked_letter_counts_neither_for_nor_against():
    model = recall_of("ACGTACGTAC", "ACGTACGTTT", nearby=2.0)
    one, two = (model(*hide(letters, 8, 9)) for letters in ("ACGTACGTGG", "ACGTACGTCC"))
    torch.testing.assert_close(one, two)
