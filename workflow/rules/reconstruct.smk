# A user's own pictures: reads the acquisitions of the samples table and a model;
# writes {results}/reconstructions/{sample}/.


rule reconstruct_sample:
    """3-D map of the cells in one acquisition: probabilities, foci, overview and 3-D view."""
    input:
        pictures=pictures_of,
        weights=f"{RESULTS}/models/{config['reconstruct']['net']}.safetensors",
        model=f"{RESULTS}/models/{config['reconstruct']['net']}.json",
    output:
        probability=f"{RESULTS}/reconstructions/{{sample}}/probability.ome.tif",
        foci=f"{RESULTS}/reconstructions/{{sample}}/foci.csv",
        overview=report(
            f"{RESULTS}/reconstructions/{{sample}}/overview.png",
            category="Reconstructions",
            caption="../report/reconstruction.rst",
            labels={"sample": "{sample}"},
        ),
        view=f"{RESULTS}/reconstructions/{{sample}}/view.html",
    log:
        f"{RESULTS}/logs/reconstruct_sample/{{sample}}.log",
    conda:
        "../../envs/foci3d.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        pixel_pitch_um=pitch_of,
        sensor_separation_um=lookup("imager/sensor_separation_um", within=config),
        threshold=lookup("reconstruct/threshold", within=config),
        compute=lookup("compute", within=config),
        code=code_of("reconstruct_sample"),
    script:
        "../scripts/reconstruct_sample.py"
