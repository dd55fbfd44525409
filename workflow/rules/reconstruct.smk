# A user's own acquisitions. Reads the images that the samples table lists and a model;
# writes {results}/reconstructions/{sample}/.


rule reconstruct_sample:
    """3-D map of the cells in one acquisition: volume, foci, quality, overview, 3-D view, and tracks over time."""
    input:
        images=acquisition_files,
        weights=f"{RESULTS}/models/{config['reconstruct']['network']}.safetensors",
        model=f"{RESULTS}/models/{config['reconstruct']['network']}.json",
        recalibration=model_recalibration(config["reconstruct"]["network"]),
        psf=PSF,
    output:
        volume=f"{RESULTS}/reconstructions/{{sample}}/volume.ome.tif",
        foci=f"{RESULTS}/reconstructions/{{sample}}/foci.csv",
        quality=f"{RESULTS}/reconstructions/{{sample}}/quality.csv",
        overview=report(
            f"{RESULTS}/reconstructions/{{sample}}/overview.png",
            category="Reconstructions",
            caption="../report/reconstruction.rst",
            labels={"sample": "{sample}", "figure": "overview"},
        ),
        view=report(
            f"{RESULTS}/reconstructions/{{sample}}/view.html",
            category="Reconstructions",
            caption="../report/reconstruction.rst",
            labels={"sample": "{sample}", "figure": "interactive 3-D view"},
        ),
        tracks=report(
            directory(f"{RESULTS}/reconstructions/{{sample}}/tracks"),
            patterns=["{name}.png"],
            category="Reconstructions",
            caption="../report/tracks.rst",
            labels={"sample": "{sample}", "figure": "tracks"},
        ),
    log:
        f"{RESULTS}/logs/reconstruct_sample/{{sample}}.log",
    conda:
        "../../envs/foci3d.yaml"
    threads: config["compute"]["threads"]
    params:
        acquisition=acquisition_row,
        pixel_pitch_um=pixel_pitch_um,
        threshold=config["reconstruct"]["threshold"],
        tracking=config["reconstruct"]["tracking"],
        device=config["compute"]["device"],
        average_symmetries=NETWORKS[config["reconstruct"]["network"]].average_symmetries,
        code=code_of("reconstruct_sample"),
    script:
        "../scripts/reconstruct_sample.py"
