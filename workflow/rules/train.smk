# Training. Reads shards of training and validation splits, and the PSF (for new combinations of layers);
# writes {results}/models/{network}.safetensors (weights), .json (everything else about the model) and .csv (curves).


rule pretrain_encoder:
    """Pretrain a ResNet-18 to predict the depth and the coverage of each layer from a measurement."""
    input:
        train=project.shards(project.value("pretraining/dataset"), "train"),
        validation=project.shards(project.value("pretraining/dataset"), "validation"),
        psf=project.psf,
    output:
        **project.model("encoder", "curves"),
    log:
        project.log("pretrain_encoder"),
    benchmark:
        project.benchmark("pretrain_encoder")
    conda:
        "../../envs/foci3d.yaml"
    threads: project.value("compute/threads")
    params:
        run=project.pretraining_run,
        code=project.code("train"),
    script:
        "../scripts/train.py"


rule copy_model:
    """Take a model that is already trained, and its curves, for a network of the configuration."""
    input:
        source=lambda wildcards: project.model_source(wildcards).description,
        source_weights=lambda wildcards: project.model_source(wildcards).weights,
        source_curves=lambda wildcards: project.model_source(wildcards).curves,
    output:
        **project.model("{network}", "curves"),
    log:
        project.log("copy_model", "network"),
    wildcard_constraints:
        network=wildcard_regex(project.copied),
    conda:
        "../../envs/foci3d.yaml"
    params:
        expected=project.expected_model,
        code=project.code("copy_model"),
    script:
        "../scripts/copy_model.py"


rule train:
    """Train one network on its dataset; the weights with the best validation score are kept."""
    input:
        train=project.training_shards("train"),
        validation=project.training_shards("validation"),
        psf=project.psf,
        encoder=project.encoder_weights,
        initial_model=project.initial_model,
    output:
        **project.model("{network}", "curves"),
    log:
        project.log("train", "network"),
    benchmark:
        project.benchmark("train", "network")
    wildcard_constraints:
        network=wildcard_regex(project.trained),
    conda:
        "../../envs/foci3d.yaml"
    threads: project.value("compute/threads")
    params:
        run=project.training_run,
        code=project.code("train"),
    script:
        "../scripts/train.py"
