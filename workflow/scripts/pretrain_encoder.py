"""Pretrain a ResNet-18 to tell the depth and the coverage of each layer of a stack.

Reads shards of the training and validation splits and the PSF; writes weights with the names of torchvision
(safetensors), everything else about the model (JSON) and curves (CSV, a row a validation).
"""

from typing import Any

from foci3d import job
from foci3d.plan import Plan, Sources, carry_out
from foci3d.train import Training


def main(
    set_name: str,
    architecture: dict[str, Any],
    training: dict[str, Any],
    settings: dict[str, Any],
    sources: Sources,
    weights: str,
    model: str,
    curves: str,
) -> None:
    plan = Plan("encoder", set_name, "depth_coverage", architecture, Training(**training), **settings)
    carry_out(plan, sources, weights, model, curves)


if __name__ == "__main__":
    with job.running(snakemake):
        files, params = snakemake.input, snakemake.params
        main(
            params.set,
            params.architecture,
            params.training,
            {name: params.get(name) for name in ("entry", "imager", "compute", "seed", "code")},
            Sources(files.train, files.validation, files.psf),
            snakemake.output.weights,
            snakemake.output.model,
            snakemake.output.curves,
        )
