"""VBx: variational Bayes over the speakers of a recording.

The model is that of Landini et al., "Bayesian HMM clustering of x-vector sequences (VBx)",
2022, without its Markov chain: the order of the windows is used later, in the assignment.
"""

from __future__ import annotations

from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

__all__ = ["VbxResult", "vbx"]

# Weight of the evidence.  Windows overlap and their content is similar, so they count for
# less than independent ones.  Speaker counts are about the same from .3 to .45.
_EVIDENCE: Final = 0.35
# Weight of the prior of the speakers' voices.  A higher one favors fewer speakers.
_PRIOR: Final = 0.8
_ITERATIONS: Final = 40
_CONVERGED: Final = 1e-4
# Logarithm of the odds of the first labels.
_INITIAL_ODDS: Final = 7.0


@attrs.frozen(eq=False)
class VbxResult:
    """A local optimum.

    Attributes:
        shares: probability of each speaker for each window; shape (windows, speakers).
            Superfluous speakers have shares near 0.
        evidence: lower bound of the model evidence, comparable between starts.
    """

    shares: NDArray[np.float64]
    evidence: float


def vbx(
    vectors: NDArray[np.float64],
    between: NDArray[np.float64],
    labels: NDArray[np.intp],
    weight: float = _EVIDENCE,
) -> VbxResult:
    """Distribute windows over speakers.

    Args:
        vectors: embeddings in the space of the PLDA; shape (windows, dimension).
        between: variance between speakers in each dimension.
        labels: the start: a speaker from 0 for each window; shape (windows,).
        weight: of the evidence.
    """
    ratio = weight / _PRIOR
    speakers = labels.max() + 1
    shares, _ = _softmax(np.where(labels[:, None] == np.arange(speakers), _INITIAL_ODDS, 0.0))
    prior = np.full(speakers, 1 / speakers)
    constant = -0.5 * ((vectors**2).sum(axis=1) + vectors.shape[1] * np.log(2 * np.pi))
    scaled = vectors * np.sqrt(between)
    evidence = -np.inf
    for _ in range(_ITERATIONS):
        # The voices, given the shares: posterior means and precisions.
        precisions = 1 + ratio * shares.sum(axis=0)[:, None] * between
        means = ratio / precisions * (shares.T @ scaled)
        # The shares, given the voices.
        spread = (1 / precisions + means**2) @ between
        fit = scaled @ means.T - 0.5 * spread + constant[:, None]
        shares, likelihood = _softmax(weight * fit + np.log(prior + 1e-8))
        prior = shares.sum(axis=0) / len(shares)
        previous = evidence
        divergence = (np.log(precisions) + 1 / precisions + means**2 - 1).sum()
        evidence = float(likelihood.sum() - 0.5 * _PRIOR * divergence)
        if evidence - previous < _CONVERGED:
            break
    return VbxResult(shares, evidence)


def _softmax(scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the softmax of each row, and the logarithm of its denominator."""
    highest = scores.max(axis=1, keepdims=True)
    powers = np.exp(scores - highest)
    totals = powers.sum(axis=1, keepdims=True)
    return powers / totals, (highest + np.log(totals))[:, 0]
