# Test-set evaluation of networks and of classical methods, which are given the depths. Reads models, the PSF and shards;
# writes {results}/predictions/{network}/{dataset}.h5, {results}/scores/{network}/{dataset}/{samples,summary,roc}.csv and
# the bounds in {results}/tables.


rule predict:
    """Apply a trained network to the test split of a dataset; outputs, targets and measurements."""
    input:
        **project.model(),
        psf=project.psf,
        test=project.test_shards,
    output:
        predictions=project.predictions(),
    log:
        project.log("predict", "network", "dataset"),
    benchmark:
        project.benchmark("predict", "network", "dataset")
    wildcard_constraints:
        network=wildcard_regex(project.networks),
    conda:
        "../../envs/foci3d.yaml"
    threads: project.value("compute/threads")
    params:
        **project.inference(),
        code=project.code("predict"),
    script:
        "../scripts/predict.py"


rule predict_classical:
    """Apply a classical method, tuned on the validation split, to the test split of a dataset."""
    input:
        psf=project.psf,
        validation=project.tuning_shards,
        test=project.test_shards,
    output:
        predictions=project.predictions(),
    log:
        project.log("predict_classical", "network", "dataset"),
    benchmark:
        project.benchmark("predict_classical", "network", "dataset")
    wildcard_constraints:
        network=wildcard_regex(project.config.baselines),
    conda:
        "../../envs/foci3d.yaml"
    threads: project.value("compute/threads")
    params:
        task=project.value("baselines/{network}/task"),
        method=project.value("baselines/{network}/method"),
        smoothing_sigma_px=project.value("baselines/{network}/smoothing_sigma_px"),
        depth_sd_um=project.value("baselines/{network}/depth_sd_um"),
        depth_range_um=project.value("datasets/{dataset}/depth_range_um"),
        sensor_separation_um=project.value("imager/sensor_separation_um"),
        seed=project.value("seed"),
        code=project.code("predict_classical"),
    script:
        "../scripts/predict_classical.py"


rule score:
    """Metrics of every test sample and, with 95 % bootstrap intervals, of the whole test."""
    input:
        predictions=project.predictions(),
    output:
        samples=project.scores("samples"),
        summary=project.scores("summary"),
    log:
        project.log("score", "network", "dataset"),
    conda:
        "../../envs/foci3d.yaml"
    params:
        max_depth_um=project.value("datasets/{dataset}/depth_range_um/1"),
        n_bootstrap=project.value("n_bootstrap"),
        seed=project.value("seed"),
        code=project.code("score"),
    script:
        "../scripts/score.py"


rule trace_roc:
    """Receiver operating characteristic of each layer and averaged over layers."""
    input:
        predictions=project.predictions(),
    output:
        roc=project.scores("roc"),
    log:
        project.log("trace_roc", "network", "dataset"),
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=project.code("trace_roc"),
    script:
        "../scripts/trace_roc.py"


rule compute_bounds:
    """Cramer-Rao bound of depth, and the share of each layer that a linear method recovers, from the PSF."""
    input:
        psf=project.psf,
        depth_shards=project.shards(project.shown_dataset("fig2"), "validation"),
        stack_shards=project.shards(project.shown_dataset("fig4"), "validation"),
    output:
        depth=project.table("bounds_depth"),
        layers=project.table("bounds_layers"),
    log:
        project.log("compute_bounds"),
    conda:
        "../../envs/foci3d.yaml"
    params:
        specimen=project.if_synthetic("specimen", project.shown_dataset("fig2")),
        sensor=project.if_synthetic("sensor", project.shown_dataset("fig2")),
        class_width_um=project.value(f"datasets/{project.shown_dataset('fig2')}/depth_step_um"),
        sensor_separation_um=project.value("imager/sensor_separation_um"),
        power_snr=project.value("bounds/power_snr"),
        code=project.code("compute_bounds"),
    script:
        "../scripts/compute_bounds.py"
