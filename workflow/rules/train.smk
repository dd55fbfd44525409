# Training. Reads shards of train and validation splits and the PSF (to render new combinations);
# writes {results}/models/{net}.safetensors (weights), .json (everything else about the model) and .csv (curves).


rule pretrain_encoder:
    """Pretrain a ResNet-18 to tell the depth and the coverage of each layer from the sensors' pictures."""
    input:
        train=shards(config["pretraining"]["set"], "train"),
        validation=shards(config["pretraining"]["set"], "validation"),
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
    resources:
        mem_mb=6000,
        runtime=240,
    params:
        set=lookup("pretraining/set", within=config),
        entry=lookup(f"sets/{config['pretraining']['set']}", within=config),
        architecture=pretraining_architecture(),
        training=lookup("pretraining/training", within=config),
        imager=lookup("imager", within=config),
        compute=lookup("compute", within=config),
        seed=lookup("seed", within=config),
        code=code_of("pretrain_encoder"),
    script:
        "../scripts/pretrain_encoder.py"


rule train:
    """Train one network on its set, stop on the validation split and keep its best weights."""
    input:
        train=training_shards("train"),
        validation=training_shards("validation"),
        psf=PSF,
        encoder=encoder_of,
    output:
        weights=f"{RESULTS}/models/{{net}}.safetensors",
        model=f"{RESULTS}/models/{{net}}.json",
        curves=f"{RESULTS}/models/{{net}}.csv",
    log:
        f"{RESULTS}/logs/train/{{net}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{{net}}.tsv"
    conda:
        "../../envs/foci3d.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=6000,
        runtime=240,
    params:
        net=entry_of,
        entry=trained_set,
        imager=lookup("imager", within=config),
        compute=lookup("compute", within=config),
        seed=seed_of,
        code=code_of("train"),
    script:
        "../scripts/train.py"
