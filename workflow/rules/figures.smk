# The figures of the paper and of the calibration, the data and the training, drawn in seconds from what the other
# stages wrote. Writes {results}/figures/*.png and *.svg.


rule fig2:
    """Fig. 2: predicted against true depth (a); accuracy and loss by depth, and the Cramer-Rao bound (b)."""
    input:
        **shown_in("fig2", "samples"),
        bound=f"{RESULTS}/tables/limits_depth.csv",
    output:
        fig2a=report(
            f"{RESULTS}/figures/fig2a.png",
            category="Paper: depth",
            caption="../report/fig2a.rst",
            labels={"figure": "2a"},
        ),
        fig2a_svg=f"{RESULTS}/figures/fig2a.svg",
        fig2b=report(
            f"{RESULTS}/figures/fig2b.png",
            category="Paper: depth",
            caption="../report/fig2b.rst",
            labels={"figure": "2b"},
        ),
        fig2b_svg=f"{RESULTS}/figures/fig2b.svg",
    log:
        f"{RESULTS}/logs/fig2.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("fig2"),
    script:
        "../scripts/fig2.py"


rule fig3:
    """Fig. 3: a blurred picture, the network's output and the truth (a); distribution of the pixel error (b)."""
    input:
        **shown_in("fig3", "predictions", "samples"),
    output:
        fig3a=report(
            f"{RESULTS}/figures/fig3a.png",
            category="Paper: deblurring",
            caption="../report/fig3a.rst",
            labels={"figure": "3a"},
        ),
        fig3a_svg=f"{RESULTS}/figures/fig3a.svg",
        fig3b=report(
            f"{RESULTS}/figures/fig3b.png",
            category="Paper: deblurring",
            caption="../report/fig3b.rst",
            labels={"figure": "3b"},
        ),
        fig3b_svg=f"{RESULTS}/figures/fig3b.svg",
    log:
        f"{RESULTS}/logs/fig3.log",
    conda:
        "../../envs/foci3d.yaml"
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        pixel_pitch_um=lookup("imager/pixel_pitch_um", within=config),
        code=code_of("fig3"),
    script:
        "../scripts/fig3.py"


rule fig4:
    """Fig. 4: two sensors; pictures, outputs and truth (a), error by layer (b), 3-D reconstruction (c)."""
    input:
        **shown_in("fig4", "predictions", "samples"),
        limits=f"{RESULTS}/tables/limits_layers.csv",
    output:
        fig4a=report(
            f"{RESULTS}/figures/fig4a.png",
            category="Paper: stacks",
            caption="../report/fig4a.rst",
            labels={"figure": "4a"},
        ),
        fig4a_svg=f"{RESULTS}/figures/fig4a.svg",
        fig4b=report(
            f"{RESULTS}/figures/fig4b.png",
            category="Paper: stacks",
            caption="../report/fig4b.rst",
            labels={"figure": "4b"},
        ),
        fig4b_svg=f"{RESULTS}/figures/fig4b.svg",
        fig4c=report(
            f"{RESULTS}/figures/fig4c.png",
            category="Paper: stacks",
            caption="../report/fig4c.rst",
            labels={"figure": "4c"},
        ),
        fig4c_svg=f"{RESULTS}/figures/fig4c.svg",
        fig4c_html=f"{RESULTS}/figures/fig4c.html",
    log:
        f"{RESULTS}/logs/fig4.log",
    conda:
        "../../envs/foci3d.yaml"
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        pixel_pitch_um=lookup("imager/pixel_pitch_um", within=config),
        sensor_separation_um=lookup("imager/sensor_separation_um", within=config),
        code=code_of("fig4"),
    script:
        "../scripts/fig4.py"


rule fig5:
    """Fig. 5: a cluster moves through the layers; the scheme (a) and the four steps as the network sees them (b)."""
    input:
        **shown_in("fig5", "predictions", "samples"),
    output:
        fig5a=report(
            f"{RESULTS}/figures/fig5a.png",
            category="Paper: moving cluster",
            caption="../report/fig5a.rst",
            labels={"figure": "5a"},
        ),
        fig5a_svg=f"{RESULTS}/figures/fig5a.svg",
        fig5b=report(
            f"{RESULTS}/figures/fig5b.png",
            category="Paper: moving cluster",
            caption="../report/fig5b.rst",
            labels={"figure": "5b"},
        ),
        fig5b_svg=f"{RESULTS}/figures/fig5b.svg",
    log:
        f"{RESULTS}/logs/fig5.log",
    conda:
        "../../envs/foci3d.yaml"
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        pixel_pitch_um=lookup("imager/pixel_pitch_um", within=config),
        sensor_separation_um=lookup("imager/sensor_separation_um", within=config),
        code=code_of("fig5"),
    script:
        "../scripts/fig5.py"


rule fig6:
    """Fig. 6: moving cluster; sensitivity and specificity by layer (a), receiver operating characteristic (b)."""
    input:
        **shown_in("fig6", "summary", "roc"),
    output:
        fig6a=report(
            f"{RESULTS}/figures/fig6a.png",
            category="Paper: moving cluster",
            caption="../report/fig6a.rst",
            labels={"figure": "6a"},
        ),
        fig6a_svg=f"{RESULTS}/figures/fig6a.svg",
        fig6b=report(
            f"{RESULTS}/figures/fig6b.png",
            category="Paper: moving cluster",
            caption="../report/fig6b.rst",
            labels={"figure": "6b"},
        ),
        fig6b_svg=f"{RESULTS}/figures/fig6b.svg",
    log:
        f"{RESULTS}/logs/fig6.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("fig6"),
    script:
        "../scripts/fig6.py"


rule fig7:
    """Fig. 7: real pictures; layers, sensors' pictures, outputs and overlay."""
    input:
        **shown_in("fig7", "predictions", "samples"),
    output:
        fig7=report(
            f"{RESULTS}/figures/fig7.png",
            category="Paper: real pictures",
            caption="../report/fig7.rst",
            labels={"figure": "7"},
        ),
        fig7_svg=f"{RESULTS}/figures/fig7.svg",
    log:
        f"{RESULTS}/logs/fig7.log",
    conda:
        "../../envs/foci3d.yaml"
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        pixel_pitch_um=lookup("imager/pixel_pitch_um", within=config),
        code=code_of("fig7"),
    script:
        "../scripts/fig7.py"


rule figS1:
    """Fig. S1: two layers without overlap; depth maps and distribution of their error."""
    input:
        **shown_in("figS1", "predictions", "samples"),
    output:
        figS1=report(
            f"{RESULTS}/figures/figS1.png",
            category="Paper: non-overlapping layers",
            caption="../report/figS1.rst",
            labels={"figure": "S1"},
        ),
        figS1_svg=f"{RESULTS}/figures/figS1.svg",
    log:
        f"{RESULTS}/logs/figS1.log",
    conda:
        "../../envs/foci3d.yaml"
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        pixel_pitch_um=lookup("imager/pixel_pitch_um", within=config),
        depth_range_um=lookup(f"sets/{config['figures']['figS1']['set']}/depth_range_um", within=config),
        code=code_of("figS1"),
    script:
        "../scripts/figS1.py"


rule figS2:
    """Fig. S2: one sensor; pictures, outputs and truth, and error by layer."""
    input:
        **shown_in("figS2", "predictions", "samples"),
    output:
        figS2=report(
            f"{RESULTS}/figures/figS2.png",
            category="Paper: stacks",
            caption="../report/figS2.rst",
            labels={"figure": "S2"},
        ),
        figS2_svg=f"{RESULTS}/figures/figS2.svg",
    log:
        f"{RESULTS}/logs/figS2.log",
    conda:
        "../../envs/foci3d.yaml"
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        pixel_pitch_um=lookup("imager/pixel_pitch_um", within=config),
        code=code_of("figS2"),
    script:
        "../scripts/figS2.py"


rule figS3:
    """Fig. S3: the ResNet and CNN, drawn from the trained model, with its inputs and outputs."""
    input:
        **shown_in("figS3", "model", "predictions", "samples"),
    output:
        figS3=report(
            f"{RESULTS}/figures/figS3.png",
            category="Paper: stacks",
            caption="../report/figS3.rst",
            labels={"figure": "S3"},
        ),
        figS3_svg=f"{RESULTS}/figures/figS3.svg",
    log:
        f"{RESULTS}/logs/figS3.log",
    conda:
        "../../envs/foci3d.yaml"
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        pixel_pitch_um=lookup("imager/pixel_pitch_um", within=config),
        code=code_of("figS3"),
    script:
        "../scripts/figS3.py"


rule figS4:
    """Fig. S4: ResNet and CNN with two sensors; pictures, outputs and truth, and error by layer."""
    input:
        **shown_in("figS4", "predictions", "samples"),
    output:
        figS4=report(
            f"{RESULTS}/figures/figS4.png",
            category="Paper: stacks",
            caption="../report/figS4.rst",
            labels={"figure": "S4"},
        ),
        figS4_svg=f"{RESULTS}/figures/figS4.svg",
    log:
        f"{RESULTS}/logs/figS4.log",
    conda:
        "../../envs/foci3d.yaml"
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        pixel_pitch_um=lookup("imager/pixel_pitch_um", within=config),
        code=code_of("figS4"),
    script:
        "../scripts/figS4.py"


rule fig_psf:
    """The calibrated point-spread function: profiles, width against depth, residuals, kernels."""
    input:
        **measured_psf(),
        psf=PSF,
    output:
        fig_psf=report(
            f"{RESULTS}/figures/fig_psf.png",
            category="Calibration",
            caption="../report/fig_psf.rst",
            labels={"figure": "psf"},
        ),
        fig_psf_svg=f"{RESULTS}/figures/fig_psf.svg",
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
        fig_scenes=report(
            f"{RESULTS}/figures/fig_scenes.png",
            category="Data",
            caption="../report/fig_scenes.rst",
            labels={"figure": "scenes"},
        ),
        fig_scenes_svg=f"{RESULTS}/figures/fig_scenes.svg",
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
        curves=expand(f"{RESULTS}/models/{{net}}.csv", net=NETS),
    output:
        fig_training=report(
            f"{RESULTS}/figures/fig_training.png",
            category="Training",
            caption="../report/fig_training.rst",
            labels={"figure": "training"},
        ),
        fig_training_svg=f"{RESULTS}/figures/fig_training.svg",
    log:
        f"{RESULTS}/logs/fig_training.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        code=code_of("fig_training"),
    script:
        "../scripts/fig_training.py"
