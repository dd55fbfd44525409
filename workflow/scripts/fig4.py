"""Draw Fig. 4: a stack measured by two sensors and its reconstruction (a), the error by layer (b), a 3-D view (c).

Reads predictions of task masks (HDF5), their table of samples and the bounds by layer (CSV), and predictions of the
network that reconstructs a user's images, if it is another that is tested on the same dataset; writes the 3-D view as a
figure and as an interactive page. Panels a and c show the sample with the median error.
"""

from pathlib import Path

import pandas as pd

from foci3d.evaluation.metrics import CELL_THRESHOLD
from foci3d.io.atomic import atomic_path
from foci3d.io.predictions import Predictions
from foci3d.plots import stacks, style, view3d
from foci3d.plots.selection import median_sample
from foci3d.plots.view_page import ViewFrame, view_page
from foci3d.workflow.job import run_job


def main(
    predictions: Path,
    samples: Path,
    bounds: Path,
    pixel_pitch_um: float,
    sensor_separation_um: float,
    fig4a: list[Path],
    fig4b: list[Path],
    fig4c: list[Path],
    view: Path,
    beside: Path | None = None,
) -> None:
    style.use_style()
    test, table = Predictions.load(predictions), pd.read_csv(samples)
    sample = median_sample(table)
    stack = stacks.Stack.from_predictions(test, sample)
    shown = [test, *([Predictions.load(beside)] if beside else [])]
    rows = {each.network: stacks.Stack.from_predictions(each, sample) for each in shown}
    style.save(stacks.example(rows, pixel_pitch_um), *fig4a)
    style.save(stacks.errors_by_layer(table, [*pd.read_csv(bounds)["linear_share"]]), *fig4b)
    sensor_planes_um = (0.0, sensor_separation_um)[: len(stack.measurements)]
    geometry = (pixel_pitch_um, sensor_planes_um, CELL_THRESHOLD)
    style.save(view3d.figure_3d(stack.output, stack.depths_um, *geometry), *fig4c)
    frame = ViewFrame(
        stack.output,
        stack.depths_um.tolist(),
        stack.measurements,
        true_masks=stack.target > 0,
        true_depths_um=stack.depths_um.tolist(),
    )
    with atomic_path(view) as path:
        path.write_text(view_page("Fig. 4c: a test sample in 3-D", [frame], *geometry), encoding="utf-8")


if __name__ == "__main__":
    run_job(main)
