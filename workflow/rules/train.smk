# Training. Reads shards of training and validation splits, and the PSF (for new combinations of layers);
# writes {results}/models/{network}.safetensors (weights), .json (everything else about the model) and .csv (curves).


rule pretrain_encoder:
    """Pretrain a ResNet-18 to predict the depth and the coverage of each layer from a measurement."""
    input:
        train=shards(CONFIG.pretraining.dataset, "train"),
        validation=shards(CONFIG.pretraining.dataset, "validation"),
        psf=PSF,
    output:
        weights=f"{RESULTS}/models/encoder.safetensors",
        model=f"{RESULTS}/models/encoder.json",
        curves=f"{RESULTS}/models/encoder.csv",
    log:
        f"{RESULTS}/logs/pretrain_encoder.log",
    benchmark:
        f"{RESULTS}/benchmarks/pretrain_encoder.tsv"
    conda:
        "../../envs/foci3d.yaml"
    threads: config["compute"]["threads"]
    params:
        run=pretraining_run(),
        code=code_of("train"),
    script:
        "../scripts/train.py"


rule copy_model:
    """Take a model that is already trained, and its curves, for a network of the configuration."""
    input:
        source=lambda wildcards: NETWORKS[wildcards.network].weights,
        source_weights=lambda wildcards: NETWORKS[wildcards.network].weights.removesuffix("json") + "safetensors",
        source_curves=lambda wildcards: NETWORKS[wildcards.network].weights.removesuffix("json") + "csv",
    output:
        weights=f"{RESULTS}/models/{{network}}.safetensors",
        model=f"{RESULTS}/models/{{network}}.json",
        curves=f"{RESULTS}/models/{{network}}.csv",
    log:
        f"{RESULTS}/logs/copy_model/{{network}}.log",
    wildcard_constraints:
        network=wildcard_regex(COPIED_NETWORKS),
    conda:
        "../../envs/foci3d.yaml"
    params:
        task=lambda wildcards: NETWORKS[wildcards.network].task,
        n_sensors=lambda wildcards: DATASETS[NETWORKS[wildcards.network].dataset].n_sensors,
        n_layers=lambda wildcards: DATASETS[NETWORKS[wildcards.network].dataset].n_layers,
        code=code_of("copy_model"),
    script:
        "../scripts/copy_model.py"


rule train:
    """Train one network on its dataset; the weights with the best validation score are kept."""
    input:
        train=training_shards("train"),
        validation=training_shards("validation"),
        psf=PSF,
        encoder=encoder_weights,
    output:
        weights=f"{RESULTS}/models/{{network}}.safetensors",
        model=f"{RESULTS}/models/{{network}}.json",
        curves=f"{RESULTS}/models/{{network}}.csv",
    log:
        f"{RESULTS}/logs/train/{{network}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{{network}}.tsv"
    wildcard_constraints:
        network=wildcard_regex([name for name in (*NETWORKS, *SEED_REPLICATES) if name not in COPIED_NETWORKS]),
    conda:
        "../../envs/foci3d.yaml"
    threads: config["compute"]["threads"]
    params:
        run=network_run,
        code=code_of("train"),
    script:
        "../scripts/train.py"
