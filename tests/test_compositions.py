"""Laws of compositions, against scikit-bio."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skbio.stats import composition as skbio

from taxoscape import compositions as ours

counts = arrays(np.int64, st.tuples(st.integers(1, 6), st.integers(2, 30)), elements=st.integers(0, 5000))


@pytest.fixture
def x():
    return np.random.default_rng(0).dirichlet(np.full(40, 0.3), 12) + 1e-9


def test_closure_clr_and_inverse_equal_scikit_bio(x):
    np.testing.assert_allclose(ours.closure(x * 7), skbio.closure(x * 7), rtol=1e-14)
    np.testing.assert_allclose(ours.clr(x), skbio.clr(x), atol=1e-12)
    np.testing.assert_allclose(ours.clr_inverse(ours.clr(x)), skbio.clr_inv(skbio.clr(x)), rtol=1e-12)


@given(counts, st.integers(2, 1000))
def test_clr_ignores_sequencing_depth_and_sums_to_zero(counts, factor):
    x = ours.add_pseudocount(counts)
    np.testing.assert_allclose(ours.clr(x * factor), ours.clr(x), atol=1e-11)
    np.testing.assert_allclose(ours.clr(x).sum(axis=1), 0, atol=1e-10)


@given(counts)
def test_counts_return_from_the_clr_of_counts_plus_a_half(counts):
    x = ours.clr_inverse(ours.clr(ours.add_pseudocount(counts, 0.5)))
    returned = x * (counts.sum(axis=1, keepdims=True) + 0.5 * counts.shape[1]) - 0.5
    np.testing.assert_array_equal(np.rint(returned).astype(int), counts)


def test_clr_inverse_does_not_overflow():
    np.testing.assert_allclose(ours.clr_inverse(np.array([800.0, 0.0, -800.0])), [1, 0, 0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ours.closure([0.0, 0.0]), "sums to 0"),
        (lambda: ours.closure([1.0, -1.0]), "not negative"),
        (lambda: ours.closure([1.0, np.nan]), "finite"),
        (lambda: ours.clr([1.0, 0.0]), "replace zeros"),
        (lambda: ours.add_pseudocount([1, 0], 0), "above 0"),
    ],
)
def test_what_is_no_composition_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
