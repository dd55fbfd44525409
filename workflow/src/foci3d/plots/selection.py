"""Selection of the test samples that figures show, by fixed rules."""

import numpy as np
import pandas as pd

from foci3d.io.samples import NumpySamples


def median_sample(samples: pd.DataFrame, by: str = "sample") -> int:
    """Sample, or sequence, whose mean error is nearest to the median.

    Parameters
    ----------
    samples : DataFrame
        Table of samples with columns `by` and error; rows that share a value of `by` are averaged.
    by : str
        ``sample`` or ``sequence``.

    Returns
    -------
    int
        Its index; the lowest one where several are equally near.
    """
    errors = samples.groupby(by)["error"].mean()
    nearest = np.nanargmin((errors - errors.median()).abs())
    return int(errors.index.to_numpy()[nearest])


def representative_samples(samples: pd.DataFrame, n_bins: int) -> list[int]:
    """Median samples of equal bins of depth, nearest bin first; empty bins are left out.

    Parameters
    ----------
    samples : DataFrame
        Table of samples with columns sample, depth_um and error.
    n_bins : int
        Number of bins.

    Returns
    -------
    list of int
        Indices of the samples.
    """
    bins = pd.cut(samples["depth_um"], n_bins)
    return [median_sample(part) for _, part in samples.groupby(bins, observed=True)]


def visible_sequence(table: pd.DataFrame, samples: NumpySamples) -> int:
    """Sequence with a large, central cluster and an error near the median.

    Of the quarter of the sequences with the most cluster pixels in the central half of the image, this is the one whose
    error is nearest to the median of all sequences.

    Parameters
    ----------
    table : DataFrame
        Table of samples with columns sequence and error.
    samples : Samples
        The samples, with the sequence and the footprint of the moving cluster of each.

    Returns
    -------
    int
        Index of the sequence.
    """
    assert samples.cluster is not None
    assert samples.sequence is not None
    height, width = samples.cluster.shape[1:]
    center = samples.cluster[:, height // 4 : height - height // 4, width // 4 : width - width // 4] > 0
    visible = pd.Series(center.sum((1, 2))).groupby(samples.sequence).mean()
    errors = table.groupby("sequence")["error"].mean()
    distance = (errors - errors.median()).abs()[visible >= visible.quantile(0.75)]
    return int(distance.index.to_numpy()[distance.argmin()])
