# The datasets, as HDF5 shards.
# Reads the PSF, .mat files or real images; writes {results}/data/{dataset}/{split}-{shard}.h5.


rule synthesize_shard:
    """One shard of a synthetic dataset: layers of cells, their masks and depths, and the measurements of the sensors."""
    input:
        psf=project.psf,
    output:
        samples=project.shard(),
    log:
        project.log("synthesize_shard", "dataset", "split", "shard"),
    benchmark:
        project.benchmark("synthesize_shard", "dataset", "split", "shard")
    wildcard_constraints:
        dataset=wildcard_regex(project.datasets("layers", "moving")),
    conda:
        "../../envs/foci3d.yaml"
    params:
        **project.measuring(),
        dataset_config=project.dataset_config,
        scenes=project.appearances,
        n_samples=project.n_split_samples,
        n_shards=project.value("shards/{split}"),
        seed=project.value("seed"),
        code=project.code("synthesize_shard"),
    script:
        "../scripts/synthesize_shard.py"


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


rule scene_statistics:
    """Coverage, speckle and contrast of the synthetic layers beside those of the published sample."""
    input:
        shards=project.shards(project.config.reference_dataset, "validation"),
        published=project.resource("published_sample.csv"),
    output:
        statistics=project.table("scene_statistics"),
        layers=project.scene_layers,
    log:
        project.log("scene_statistics"),
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=project.code("scene_statistics"),
    script:
        "../scripts/scene_statistics.py"
