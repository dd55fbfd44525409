# A user's own acquisitions. Reads the images that the samples table lists and a model;
# writes {results}/reconstructions/{sample}/.


rule reconstruct_sample:
    """3-D map of the cells in one acquisition: probabilities, foci, overview and 3-D view."""
    input:
        images=acquisition_files,
        weights=f"{RESULTS}/models/{config['reconstruct']['network']}.safetensors",
        model=f"{RESULTS}/models/{config['reconstruct']['network']}.json",
        psf=PSF,
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
    params:
        acquisition=acquisition_row,
        pixel_pitch_um=pixel_pitch_um,
        threshold=config["reconstruct"]["threshold"],
        device=config["compute"]["device"],
        average_symmetries=NETWORKS[config["reconstruct"]["network"]].average_symmetries,
        code=code_of("reconstruct_sample"),
    script:
        "../scripts/reconstruct_sample.py"
