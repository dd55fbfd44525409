# The datasets, as HDF5 shards.
# Reads the PSF, .mat files or real images; writes {results}/data/{dataset}/{split}-{shard}.h5.

SYNTHESIS = {
    **project.measuring(),
    "dataset_config": project.dataset_config,
    "scenes": project.appearances,
    "seed": project.value("seed"),
    "code": project.code("synthesize_shard"),
}
# A change of the test split must not write again what a training reads.
TOGETHER = ("train", "validation")
ARE_SMALL = all(project.value(f"shards/{split}") == 1 for split in TOGETHER)


rule synthesize_shard:
    """One shard of a synthetic dataset: layers of cells, their masks and depths, and the measurements of the sensors."""
    input:
        psf=project.psf,
    output:
        samples=[project.shard()],
    log:
        project.log("synthesize_shard", "dataset", "split", "shard"),
    benchmark:
        project.benchmark("synthesize_shard", "dataset", "split", "shard")
    wildcard_constraints:
        dataset=wildcard_regex(project.datasets("layers", "moving")),
        split="test" if ARE_SMALL else wildcard_regex(SPLITS),
    conda:
        "../../envs/foci3d.yaml"
    params:
        **SYNTHESIS,
        n_samples=lambda wildcards: {wildcards.split: project.n_samples(wildcards.dataset, wildcards.split)},
        n_shards=project.value("shards/{split}"),
    script:
        "../scripts/synthesize_shard.py"


use rule synthesize_shard as synthesize_training with:
    """The training and validation splits of a synthetic dataset, where each is one shard, in one job."""
    output:
        samples=[project.shard(split=split, shard=0) for split in TOGETHER],
    log:
        project.log("synthesize_training", "dataset"),
    benchmark:
        project.benchmark("synthesize_training", "dataset")
    wildcard_constraints:
        dataset=wildcard_regex(project.datasets("layers") if ARE_SMALL else []),
    params:
        **SYNTHESIS,
        n_samples=lambda wildcards: {split: project.n_samples(wildcards.dataset, split) for split in TOGETHER},
        n_shards=1,


rule import_mat:
    """One shard from one of the authors' MATLAB files, v5 or v7.3."""
    input:
        psf=project.psf,
        mat=project.mat_file,
    output:
        samples=project.shard(),
    log:
        project.log("import_mat", "dataset", "split", "shard"),
    wildcard_constraints:
        dataset=wildcard_regex(project.datasets()),
    conda:
        "../../envs/foci3d.yaml"
    params:
        dataset_config=project.dataset_config,
        imager=project.value("imager"),
        code=project.code("import_mat"),
    script:
        "../scripts/import_mat.py"


rule cut_slides:
    """Crops of a real microscope image as layers at random depths, for Fig. 7."""
    input:
        psf=project.psf,
        nuclei=project.resource("cells/human_mitosis.tif"),
    output:
        samples=project.shard(split="test", shard=0),
    log:
        project.log("cut_slides", "dataset"),
    wildcard_constraints:
        dataset=wildcard_regex(project.datasets("slides")),
    conda:
        "../../envs/foci3d.yaml"
    params:
        **project.measuring(),
        dataset_config=project.dataset_config,
        slides=project.value("slides"),
        seed=project.value("seed"),
        code=project.code("cut_slides"),
    script:
        "../scripts/cut_slides.py"
