"""Files and params of the scripts that apply methods to test datasets and score them, for tests."""

from pathlib import Path
from typing import Any

N_BOOTSTRAP = 20


def evaluation_files(folder: Path, network: str, *datasets: str) -> dict[str, list[Path]]:
    """Outputs of an evaluation without ROC curves, one of each kind for a dataset."""
    tests = [folder / "tested" / network / dataset for dataset in datasets or ("test",)]
    scores = {kind: [test / f"{kind}.csv" for test in tests] for kind in ("samples", "summary")}
    return {"predictions": [test / "predictions.h5" for test in tests], **scores}


def evaluation_params(*datasets: str) -> dict[str, Any]:
    """Params of scores on datasets from 0 to 1000 um."""
    return {"depth_ranges_um": {name: [0, 1000] for name in datasets}, "n_bootstrap": N_BOOTSTRAP, "seed": 3}
