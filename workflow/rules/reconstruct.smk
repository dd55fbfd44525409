# A user's own acquisitions. Reads the images that the tables of samples list and a model;
# writes {results}/reconstructions/{sample}/, and {results}/alignment/ if reconstruct.imager asks for it.

RECONSTRUCTING = project.value("reconstruct/network")
RECONSTRUCTED = {"category": "Reconstructions", "caption": project.caption("reconstruction")}


rule align_imager:
    """Deviations of the imager from its description, from acquisitions of single cells or of layers."""
    input:
        **project.model(RECONSTRUCTING),
        images=[file for acquisition in project.reconstructions.aligning.values() for file in acquisition.files],
        psf=project.psf,
    output:
        imager=project.reconstructions.alignment,
    log:
        project.log("align_imager"),
    conda:
        "../../envs/foci3d.yaml"
    threads: project.value("compute/threads")
    params:
        acquisitions=[row.model_dump(exclude={"description"}) for row in project.reconstructions.aligning.values()],
        specimen=project.value("align/specimen"),
        fit=project.value("align/fit"),
        sensor_separation_um=project.value("imager/sensor_separation_um"),
        device=project.value("compute/device"),
        code=project.code("align_imager"),
    script:
        "../scripts/align_imager.py"


rule reconstruct_sample:
    """3-D map of the cells in one acquisition: volume, foci, quality, overview, 3-D view, and tracks over time."""
    input:
        **project.model(RECONSTRUCTING),
        images=project.reconstructions.images,
        recalibration=project.recalibration(RECONSTRUCTING),
        psf=project.psf,
        imager=project.reconstructions.imager_corrections(),
        unmixing=project.reconstructions.unmixing,
    output:
        volume=project.reconstructions.file("volume.ome.tif"),
        foci=project.reconstructions.file("foci.csv"),
        regions=project.reconstructions.file("foci.roi.zip"),
        quality=project.reconstructions.file("quality.csv"),
        overview=report(
            project.reconstructions.file("overview.png"),
            **RECONSTRUCTED,
            labels={"sample": "{sample}", "figure": "overview"},
        ),
        view=report(
            project.reconstructions.file("view.html"),
            **RECONSTRUCTED,
            labels={"sample": "{sample}", "figure": "interactive 3-D view"},
        ),
        tracks=report(
            directory(project.reconstructions.file("tracks")),
            patterns=["{name}.png"],
            category="Reconstructions",
            caption=project.caption("tracks"),
            labels={"sample": "{sample}", "figure": "tracks"},
        ),
    log:
        project.log("reconstruct_sample", "sample"),
    wildcard_constraints:
        sample=wildcard_regex(project.reconstructions.acquisitions),
    conda:
        "../../envs/foci3d.yaml"
    threads: project.value("compute/threads")
    params:
        inference=project.inference(RECONSTRUCTING),
        name=lambda wildcards: wildcards.sample,
        acquisitions=project.reconstructions.values,
        specimen=project.value("reconstruct/specimen"),
        n_layers=project.value("reconstruct/n_layers"),
        threshold=project.value("reconstruct/threshold"),
        conditioning=project.value("reconstruct/conditioning"),
        tracking=project.value("reconstruct/tracking"),
        unusable_frames=project.value("reconstruct/unusable_frames"),
        code=project.code("reconstruct_sample"),
    script:
        "../scripts/reconstruct_sample.py"


rule join_channels:
    """Foci and quality of all channels of an acquisition in one table each."""
    input:
        channel_foci=project.reconstructions.of_channels("foci.csv"),
        channel_quality=project.reconstructions.of_channels("quality.csv"),
    output:
        foci=project.reconstructions.file("foci.csv"),
        quality=project.reconstructions.file("quality.csv"),
    log:
        project.log("join_channels", "sample"),
    wildcard_constraints:
        sample=wildcard_regex(project.reconstructions.channels),
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=project.code("join_channels"),
    script:
        "../scripts/join_channels.py"
