"""Train one network.

Reads shards of the training and validation splits, the PSF and, where the network starts from one, a pretrained
encoder; writes weights (safetensors), everything else about the model (JSON) and curves (CSV, a row a validation).
"""

from typing import Any

from foci3d import job
from foci3d.plan import Plan, Sources, carry_out
from foci3d.train import Training


def main(
    name: str,
    net: dict[str, Any],
    settings: dict[str, Any],
    sources: Sources,
    weights: str,
    model: str,
    curves: str,
) -> None:
    training = Training(**net["training"])
    plan = Plan(name, net["set"], net["task"], net["architecture"], training, **settings)
    carry_out(plan, sources, weights, model, curves)


if __name__ == "__main__":
    with job.running(snakemake):
        files, params = snakemake.input, snakemake.params
        main(
            snakemake.wildcards.net,
            params.net,
            {name: params.get(name) for name in ("entry", "imager", "compute", "seed", "code")},
            Sources(files.train, files.validation, files.psf, files.get("encoder") or None),
            snakemake.output.weights,
            snakemake.output.model,
            snakemake.output.curves,
        )
