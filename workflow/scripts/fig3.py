"""Draw Fig. 3: measurements, deblurred images and targets (a), the distribution of the pixel error (b).

Reads predictions of task deblurring (HDF5) and their table of samples (CSV). Panel a shows the sample with the median
error in each quarter of the depth range.
"""

from pathlib import Path

import pandas as pd

from foci3d.io.predictions import Predictions
from foci3d.plots import deblurring, style
from foci3d.plots.selection import representative_samples
from foci3d.workflow.job import run_job


def main(predictions: Path, samples: Path, pixel_pitch_um: float, fig3a: list[Path], fig3b: list[Path]) -> None:
    style.use_style()
    test, table = Predictions.load(predictions), pd.read_csv(samples)
    shown = representative_samples(table, 4)
    style.save(deblurring.examples(test, table, shown, pixel_pitch_um), *fig3a)
    style.save(deblurring.errors(table), *fig3b)


if __name__ == "__main__":
    run_job(main)
