# The figures of the paper and of the calibration, the data and the training, drawn in seconds from files of the other
# stages. Writes {results}/figures/*.png and *.svg.


rule fig2:
    """Fig. 2: predicted against true depth (a); accuracy and loss by depth, and the Cramer-Rao bound (b)."""
    input:
        **figure_inputs("fig2", "samples"),
        bounds=f"{RESULTS}/tables/bounds_depth.csv",
    output:
        fig2a=figure_output("fig2a", "Depth classes"),
        fig2b=figure_output("fig2b", "Depth classes"),
    log:
        f"{RESULTS}/logs/fig2.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("fig2"),
    script:
        "../scripts/fig2.py"


rule fig3:
    """Fig. 3: a measurement, the network's output and the target (a); distribution of the pixel error (b)."""
    input:
        **figure_inputs("fig3", "predictions", "samples"),
    output:
        fig3a=figure_output("fig3a", "Deblurring"),
        fig3b=figure_output("fig3b", "Deblurring"),
    log:
        f"{RESULTS}/logs/fig3.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        pixel_pitch_um=CONFIG.imager.pixel_pitch_um,
        code=code_of("fig3"),
    script:
        "../scripts/fig3.py"


rule fig4:
    """Fig. 4: two sensors; measurements, outputs and targets (a), error by layer (b), 3-D view (c)."""
    input:
        **figure_inputs("fig4", "predictions", "samples"),
        bounds=f"{RESULTS}/tables/bounds_layers.csv",
    output:
        fig4a=figure_output("fig4a", "Stacks of layers"),
        fig4b=figure_output("fig4b", "Stacks of layers"),
        fig4c=figure_output("fig4c", "Stacks of layers"),
        view=report(
            f"{RESULTS}/figures/fig4c.html",
            category="Stacks of layers",
            caption="../report/fig4c.rst",
            labels={"figure": "4c, interactive"},
        ),
    log:
        f"{RESULTS}/logs/fig4.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        pixel_pitch_um=CONFIG.imager.pixel_pitch_um,
        sensor_separation_um=CONFIG.imager.sensor_separation_um,
        code=code_of("fig4"),
    script:
        "../scripts/fig4.py"


rule fig5:
    """Fig. 5: a cluster moves through the layers; the scheme (a) and the reconstruction of the four steps (b)."""
    input:
        **figure_inputs("fig5", "predictions", "samples"),
    output:
        fig5a=figure_output("fig5a", "Moving cluster"),
        fig5b=figure_output("fig5b", "Moving cluster"),
    log:
        f"{RESULTS}/logs/fig5.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        pixel_pitch_um=CONFIG.imager.pixel_pitch_um,
        sensor_separation_um=CONFIG.imager.sensor_separation_um,
        code=code_of("fig5"),
    script:
        "../scripts/fig5.py"


rule fig6:
    """Fig. 6: moving cluster; sensitivity and specificity by layer (a), receiver operating characteristic (b)."""
    input:
        **figure_inputs("fig6", "summary", "roc"),
    output:
        fig6a=figure_output("fig6a", "Moving cluster"),
        fig6b=figure_output("fig6b", "Moving cluster"),
    log:
        f"{RESULTS}/logs/fig6.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("fig6"),
    script:
        "../scripts/fig6.py"


rule fig7:
    """Fig. 7: real images; layers, measurements, outputs and overlay."""
    input:
        **figure_inputs("fig7", "predictions", "samples", "summary"),
    output:
        figure=figure_output("fig7", "Real images"),
    log:
        f"{RESULTS}/logs/fig7.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        pixel_pitch_um=CONFIG.imager.pixel_pitch_um,
        code=code_of("fig7"),
    script:
        "../scripts/fig7.py"


rule figS1:
    """Fig. S1: two layers without overlap; depth maps, distribution of their error, and error by coverage."""
    input:
        **figure_inputs("figS1", "predictions", "samples"),
        coverage=f"{RESULTS}/tables/coverage.csv",
    output:
        figure=figure_output("figS1", "Depth maps"),
    log:
        f"{RESULTS}/logs/figS1.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        pixel_pitch_um=CONFIG.imager.pixel_pitch_um,
        max_depth_um=DATASETS[CONFIG.figures.figS1.dataset].depth_range_um[1],
        code=code_of("figS1"),
    script:
        "../scripts/figS1.py"


rule figS2:
    """Fig. S2: one sensor; measurement, outputs and targets, and error by layer."""
    input:
        **figure_inputs("figS2", "predictions", "samples"),
    output:
        figure=figure_output("figS2", "Stacks of layers"),
    log:
        f"{RESULTS}/logs/figS2.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        pixel_pitch_um=CONFIG.imager.pixel_pitch_um,
        code=code_of("figS2"),
    script:
        "../scripts/figS2.py"


rule figS3:
    """Fig. S3: the blocks of the ResNet and CNN, traced from the trained model, with its inputs and outputs."""
    input:
        **figure_inputs("figS3", "model", "weights", "predictions", "samples"),
    output:
        figure=figure_output("figS3", "Stacks of layers"),
    log:
        f"{RESULTS}/logs/figS3.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        pixel_pitch_um=CONFIG.imager.pixel_pitch_um,
        code=code_of("figS3"),
    script:
        "../scripts/figS3.py"


# Fig. S4: as Fig. S2, for the ResNet and CNN with two sensors.
use rule figS2 as figS4 with:
    input:
        **figure_inputs("figS4", "predictions", "samples"),
    output:
        figure=figure_output("figS4", "Stacks of layers"),
    log:
        f"{RESULTS}/logs/figS4.log",


rule fig_psf:
    """The calibrated point-spread function: profiles, width against depth, residuals, kernels."""
    input:
        **measured_psf(),
        psf=PSF,
    output:
        figure=figure_output("fig_psf", "Calibration"),
    log:
        f"{RESULTS}/logs/fig_psf.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("fig_psf"),
    script:
        "../scripts/fig_psf.py"


rule fig_scenes:
    """Synthetic layers: examples, and their statistics beside those of the published sample."""
    input:
        shards=shards("stack2", "validation"),
        layers=f"{RESULTS}/data/scene_layers.csv",
        statistics=f"{RESULTS}/tables/scene_statistics.csv",
    output:
        figure=figure_output("fig_scenes", "Data"),
    log:
        f"{RESULTS}/logs/fig_scenes.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("fig_scenes"),
    script:
        "../scripts/fig_scenes.py"


rule fig_training:
    """Training curves of every network."""
    input:
        curves=expand(f"{RESULTS}/models/{{network}}.csv", network=NETWORKS),
    output:
        figure=figure_output("fig_training", "Training"),
    log:
        f"{RESULTS}/logs/fig_training.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("fig_training"),
    script:
        "../scripts/fig_training.py"
