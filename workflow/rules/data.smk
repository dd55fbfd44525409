# The datasets, as HDF5 shards.
# Reads the PSF, .mat files or real images; writes {results}/data/{dataset}/{split}-{shard}.h5.


rule synthesize_shard:
    """One shard of a synthetic dataset: layers of cells, their masks and depths, and the measurements of the sensors."""
    input:
        psf=PSF,
    output:
        samples=f"{RESULTS}/data/{{dataset}}/{{split}}-{{shard}}.h5",
    log:
        f"{RESULTS}/logs/synthesize_shard/{{dataset}}-{{split}}-{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/synthesize_shard/{{dataset}}-{{split}}-{{shard}}.tsv"
    wildcard_constraints:
        dataset=wildcard_regex(
            datasets_with(source="synthetic", scene="layers") + datasets_with(source="synthetic", scene="moving")
        ),
    conda:
        "../../envs/foci3d.yaml"
    params:
        dataset_config=dataset_config,
        scene=appearance,
        specimen=config["specimen"],
        illumination=config["illumination"],
        sensor=config["sensor"],
        psf_width_relative_sd=config["psf"]["width_relative_sd"],
        imager=config["imager"],
        n_samples=n_split_samples,
        n_shards=lookup("shards/{split}", within=config),
        seed=config["seed"],
        code=code_of("synthesize_shard"),
    script:
        "../scripts/synthesize_shard.py"


rule import_mat:
    """One shard from one of the authors' MATLAB files, v5 or v7.3."""
    input:
        psf=PSF,
        mat=mat_file,
    output:
        samples=f"{RESULTS}/data/{{dataset}}/{{split}}-{{shard}}.h5",
    log:
        f"{RESULTS}/logs/import_mat/{{dataset}}-{{split}}-{{shard}}.log",
    wildcard_constraints:
        dataset=wildcard_regex(datasets_with(is_synthetic=False)),
    conda:
        "../../envs/foci3d.yaml"
    params:
        dataset_config=dataset_config,
        imager=config["imager"],
        code=code_of("import_mat"),
    script:
        "../scripts/import_mat.py"


rule cut_slides:
    """Crops of a real microscope image as layers at random depths, for Fig. 7."""
    input:
        psf=PSF,
        nuclei=workflow.source_path("../../resources/cells/human_mitosis.tif"),
    output:
        samples=f"{RESULTS}/data/{{dataset}}/test-0.h5",
    log:
        f"{RESULTS}/logs/cut_slides/{{dataset}}.log",
    wildcard_constraints:
        dataset=wildcard_regex(datasets_with(scene="slides")),
    conda:
        "../../envs/foci3d.yaml"
    params:
        dataset_config=dataset_config,
        slides=config["slides"],
        specimen=config["specimen"],
        illumination=config["illumination"],
        sensor=config["sensor"],
        psf_width_relative_sd=config["psf"]["width_relative_sd"],
        imager=config["imager"],
        seed=config["seed"],
        code=code_of("cut_slides"),
    script:
        "../scripts/cut_slides.py"


rule scene_statistics:
    """Coverage, speckle and contrast of the synthetic layers beside those of the published sample."""
    input:
        shards=shards("stack2", "validation"),
        published=workflow.source_path("../../resources/published_sample.csv"),
    output:
        statistics=f"{RESULTS}/tables/scene_statistics.csv",
        layers=f"{RESULTS}/data/scene_layers.csv",
    log:
        f"{RESULTS}/logs/scene_statistics.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("scene_statistics"),
    script:
        "../scripts/scene_statistics.py"
