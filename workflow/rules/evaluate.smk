# Test-set evaluation of networks and of classical methods, which are given the depths. Reads models, the PSF and shards;
# writes {results}/predictions/{network}/{dataset}.h5, {results}/scores/{network}/{dataset}/{samples,summary,roc}.csv and
# the bounds in {results}/tables.

SCORING = {"n_bootstrap": project.value("n_bootstrap"), "seed": project.value("seed")}

# A rule for each network, as the names of the test datasets in its outputs follow from that of the network.
for network in project.networks:

    rule:
        """Predictions and scores of a trained network for its test datasets."""
        name:
            f"evaluate_network_{network}"
        input:
            **project.model(network),
            psf=project.psf,
            test=project.test_shards([network]),
        output:
            **project.test_files([network], *project.score_kinds(network)),
        log:
            project.log(f"evaluate_network/{network}"),
        benchmark:
            project.benchmark(f"evaluate_network/{network}")
        conda:
            "../../envs/foci3d.yaml"
        threads: project.value("compute/threads")
        params:
            **SCORING,
            inference=project.inference(network),
            depth_ranges_um=project.depth_ranges_um(project.test_datasets([network])),
            code=project.code("evaluate_network"),
        script:
            "../scripts/evaluate_network.py"


# The methods that are tuned on the same dataset share its samples, and most take seconds.
for dataset in dict.fromkeys(method.dataset for method in project.config.baselines.values()):
    methods = [name for name, method in project.config.baselines.items() if method.dataset == dataset]

    rule:
        """Predictions and scores of classical methods for their test datasets, tuned on the validation split of one."""
        name:
            f"evaluate_classical_{dataset}"
        input:
            psf=project.psf,
            validation=project.shards(dataset, "validation"),
            test=project.test_shards(methods),
        output:
            **project.test_files(methods, "samples", "summary"),
        log:
            project.log(f"evaluate_classical/{dataset}"),
        benchmark:
            project.benchmark(f"evaluate_classical/{dataset}")
        conda:
            "../../envs/foci3d.yaml"
        threads: project.value("compute/threads")
        params:
            **SCORING,
            methods={name: project.value(f"baselines/{name}") for name in methods},
            depth_ranges_um=project.depth_ranges_um([dataset, *project.test_datasets(methods)]),
            sensor_separation_um=project.value("imager/sensor_separation_um"),
            code=project.code("evaluate_classical"),
        script:
            "../scripts/evaluate_classical.py"


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
