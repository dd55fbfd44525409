"""Which test samples the figures show: by rule, never by hand."""

import numpy as np
import pandas as pd


def median_case(samples: pd.DataFrame, by: str = "sample") -> int:
    """Find the sample, or the group, whose error is nearest to the median.

    Parameters
    ----------
    samples : DataFrame
        Table of samples with columns `by` and error; the rows of one sample or group are averaged.
    by : str
        ``sample`` or ``group``.

    Returns
    -------
    int
        Its number; the lowest where several are equally near.
    """
    errors = samples.groupby(by)["error"].mean()
    nearest = np.nanargmin((errors - errors.median()).abs())
    return int(errors.index.to_numpy()[nearest])


def median_cases_by_depth(samples: pd.DataFrame, parts: int) -> list[int]:
    """Cut the range of depths into equal parts and find the `median_case` of each part that has samples, nearest first.

    Parameters
    ----------
    samples : DataFrame
        Table of samples with columns sample, depth_um and error.
    parts : int
        Number of parts.

    Returns
    -------
    list of int
        Numbers of the samples.
    """
    part_of_sample = pd.cut(samples["depth_um"], parts)
    return [median_case(part) for _, part in samples.groupby(part_of_sample, observed=True)]
