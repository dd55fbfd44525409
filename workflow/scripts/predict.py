"""Apply a trained network to the test split of a set.

Reads a model (safetensors and JSON) and shards; writes output and truth, with the inputs, to HDF5.
"""

from foci3d import job
from foci3d.compute import find_device
from foci3d.models import load_model
from foci3d.predict import predict


def main(model: str, weights: str, test: list[str], set_name: str, device: str, predictions: str) -> None:
    predict(load_model(model, weights), test, set_name, find_device(device)).save(predictions)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.model,
            snakemake.input.weights,
            snakemake.input.test,
            snakemake.wildcards.set,
            snakemake.params.compute["device"],
            snakemake.output.predictions,
        )
