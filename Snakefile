"""From the description of a lensless micro-imager to networks that see in 3D through it.

`snakemake --list` shows the targets. The configuration is config/config.yaml, the paper at full scale, or an overlay of
it: `--configfile config/quick.yaml`.
"""

from snakemake.utils import min_version

min_version("9.19")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"


wildcard_constraints:
    net=one_of([*NETS, *REPEATS, *BASELINES]),
    set=one_of(SETS),
    split=one_of(SPLITS),
    shard=r"\d+",
    sample=one_of(ACQUISITIONS.index),


include: "workflow/rules/psf.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/baselines.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/reconstruct.smk"
include: "workflow/rules/record.smk"


localrules:
    all,
    psf,
    data,
    models,
    figures,
    tables,
    seeds,
    reconstruct,
    record,


rule psf:
    """The point-spread function and its figure."""
    input:
        PSF,
        f"{RESULTS}/figures/fig_psf.png",


rule data:
    """Every data set, and the statistics of its scenes."""
    input:
        all_shards(),
        f"{RESULTS}/figures/fig_scenes.png",


rule models:
    """Every trained network."""
    input:
        expand(f"{RESULTS}/models/{{net}}.safetensors", net=NETS),


rule figures:
    """Every figure of the paper, and of the calibration, the data and the training."""
    input:
        expand(f"{RESULTS}/figures/{{figure}}.png", figure=FIGURES),


rule tables:
    """Tables 1 and S1, and the scorecard: the paper's numbers beside ours."""
    input:
        expand(f"{RESULTS}/tables/{{table}}.csv", table=TABLES),


rule seeds:
    """How much the error of networks varies with the seed of their training; not part of `all`."""
    input:
        f"{RESULTS}/tables/seeds.csv",


rule reconstruct:
    """The 3-D maps of the acquisitions in the samples table."""
    input:
        expand(
            f"{RESULTS}/reconstructions/{{sample}}/overview.png",
            sample=ACQUISITIONS.index,
        ),


rule record:
    """What is kept of a run when its data and models are not; not part of `all`."""
    input:
        f"{RESULTS}/record",


rule all:
    """Everything: figures, tables, scorecard, and the reconstruction of the samples."""
    default_target: True
    input:
        rules.figures.input,
        rules.tables.input,
        rules.reconstruct.input,
        rules.data.input,
