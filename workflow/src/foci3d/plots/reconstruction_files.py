"""The files of a reconstruction: OME-TIFF, table of foci, overview figure and interactive 3-D view."""

from pathlib import Path

from foci3d.io.hdf5 import atomic_path
from foci3d.io.images import write_volume
from foci3d.plots import style, view3d
from foci3d.plots.reconstruction import overview as draw_overview
from foci3d.reconstruction.volume import Reconstruction


def write_reconstruction(result: Reconstruction, probability: Path, foci: Path, overview: Path, view: Path) -> None:
    """Write the results of an acquisition.

    Parameters
    ----------
    result : Reconstruction
        The reconstruction.
    probability : Path
        Probability of a cell (layer, y, x), OME-TIFF with pixel pitch and depths [um].
    foci : Path
        Table of foci, CSV.
    overview : Path
        Measurements, probability maps and layers in space, PNG.
    view : Path
        Interactive 3-D view, HTML.
    """
    write_volume(probability, result.probability, result.depths_um, result.pixel_pitch_um)
    with atomic_path(foci) as path:
        result.foci.to_csv(path, index=False)
    style.use_style()
    geometry = (result.depths_um, result.pixel_pitch_um, result.sensor_depths_um, result.threshold)
    with atomic_path(overview) as path:
        draw_overview(result.measurement, result.probability, *geometry).savefig(path, metadata={"Software": None})
    with atomic_path(view) as path:
        path.write_text(view3d.view_html(result.probability, *geometry))
