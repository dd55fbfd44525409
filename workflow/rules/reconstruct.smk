# A user's own acquisitions. Reads the images that the samples table lists and a model;
# writes {results}/reconstructions/{sample}/.

RECONSTRUCTING = project.value("reconstruct/network")
RECONSTRUCTED = {"category": "Reconstructions", "caption": project.caption("reconstruction")}


rule reconstruct_sample:
    """3-D map of the cells in one acquisition: volume, foci, quality, overview, 3-D view, and tracks over time."""
    input:
        **project.model(RECONSTRUCTING),
        images=lambda wildcards: project.acquisitions[wildcards.sample].files,
        recalibration=project.recalibration(RECONSTRUCTING),
        psf=project.psf,
        imager=project.value("reconstruct/imager") or [],
    output:
        volume=project.reconstruction("volume.ome.tif"),
        foci=project.reconstruction("foci.csv"),
        quality=project.reconstruction("quality.csv"),
        overview=report(
            project.reconstruction("overview.png"),
            **RECONSTRUCTED,
            labels={"sample": "{sample}", "figure": "overview"},
        ),
        view=report(
            project.reconstruction("view.html"),
            **RECONSTRUCTED,
            labels={"sample": "{sample}", "figure": "interactive 3-D view"},
        ),
        tracks=report(
            directory(project.reconstruction("tracks")),
            patterns=["{name}.png"],
            category="Reconstructions",
            caption=project.caption("tracks"),
            labels={"sample": "{sample}", "figure": "tracks"},
        ),
    log:
        project.log("reconstruct_sample", "sample"),
    conda:
        "../../envs/foci3d.yaml"
    threads: project.value("compute/threads")
    params:
        **project.inference(RECONSTRUCTING),
        acquisition=project.acquisition_values,
        specimen=project.value("reconstruct/specimen"),
        threshold=project.value("reconstruct/threshold"),
        conditioning=project.value("reconstruct/conditioning"),
        tracking=project.value("reconstruct/tracking"),
        unusable_frames=project.value("reconstruct/unusable_frames"),
        code=project.code("reconstruct_sample"),
    script:
        "../scripts/reconstruct_sample.py"
