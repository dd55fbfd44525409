# The data sets, as HDF5 shards.
# Reads the PSF, .mat files or real pictures; writes {results}/data/{set}/{split}-{shard}.h5.


rule synthesize_shard:
    """One shard of a synthetic set: layers of cells, their masks and depths, and the sensors' pictures of them."""
    input:
        psf=PSF,
    output:
        shard=f"{RESULTS}/data/{{set}}/{{split}}-{{shard}}.h5",
    log:
        f"{RESULTS}/logs/synthesize_shard/{{set}}-{{split}}-{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/synthesize_shard/{{set}}-{{split}}-{{shard}}.tsv"
    wildcard_constraints:
        set=one_of(sets_with(source="synthetic", scene="layers") + sets_with(source="synthetic", scene="moving")),
    conda:
        "../../envs/foci3d.yaml"
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        entry=lookup("sets/{set}", within=config),
        scene=lookup("scene", within=config),
        tissue=lookup("tissue", within=config),
        imager=lookup("imager", within=config),
        samples=samples_in,
        shards=lookup("shards/{split}", within=config),
        seed=lookup("seed", within=config),
        code=code_of("synthesize_shard"),
    script:
        "../scripts/synthesize_shard.py"


rule import_mat:
    """One shard from one of the authors' MATLAB files, v5 or v7.3."""
    input:
        psf=PSF,
        mat=mat_file,
    output:
        shard=f"{RESULTS}/data/{{set}}/{{split}}-{{shard}}.h5",
    log:
        f"{RESULTS}/logs/import_mat/{{set}}-{{split}}-{{shard}}.log",
    wildcard_constraints:
        set=one_of([name for name, entry in SETS.items() if entry["source"] != "synthetic"]),
    conda:
        "../../envs/foci3d.yaml"
    resources:
        mem_mb=4000,
        runtime=15,
    params:
        entry=lookup("sets/{set}", within=config),
        imager=lookup("imager", within=config),
        code=code_of("import_mat"),
    script:
        "../scripts/import_mat.py"


rule cut_slides:
    """Crops of a real microscope picture as layers at random depths, for Fig. 7."""
    input:
        psf=PSF,
    output:
        shard=f"{RESULTS}/data/{{set}}/test-0.h5",
    log:
        f"{RESULTS}/logs/cut_slides/{{set}}.log",
    wildcard_constraints:
        set=one_of(sets_with(scene="slides")),
    conda:
        "../../envs/foci3d.yaml"
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        entry=lookup("sets/{set}", within=config),
        slides=lookup("slides", within=config),
        tissue=lookup("tissue", within=config),
        imager=lookup("imager", within=config),
        seed=lookup("seed", within=config),
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
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code_of("scene_statistics"),
    script:
        "../scripts/scene_statistics.py"
