# The point-spread function, from one of three sources in one file format; psf.source selects the one that is used.
# Reads a bead scan, the optics or a stack of kernels; writes {results}/psf/{scan,optics,file}.h5.


rule simulate_scan:
    """Simulated pinhole scan of known optics, in the files of a measured one."""
    output:
        stack=project.psf_file("simulated_scan.tiff"),
        depths=project.psf_file("simulated_scan.csv"),
    log:
        project.log("simulate_scan"),
    benchmark:
        project.benchmark("simulate_scan")
    conda:
        "../../envs/foci3d.yaml"
    params:
        simulation=project.value("psf/simulation"),
        optics=project.value("psf/optics"),
        pixel_pitch_um=project.value("psf/scan/pixel_pitch_um"),
        saturation=project.value("psf/scan/saturation"),
        seed=project.value("seed"),
        code=project.code("simulate_scan"),
    script:
        "../scripts/simulate_scan.py"


rule calibrate_psf:
    """Kernels for every depth from a bead scan, by a fit of the angular acceptance."""
    input:
        stack=project.scan_file("stack", "tiff"),
        depths=project.scan_file("depths", "csv"),
    output:
        psf=project.psf_file("scan.h5"),
        profiles=project.psf_file("scan_profiles.csv"),
        widths=project.psf_file("scan_widths.csv"),
    log:
        project.log("calibrate_psf"),
    benchmark:
        project.benchmark("calibrate_psf")
    conda:
        "../../envs/foci3d.yaml"
    params:
        **project.kernel_grid(),
        scan_pitch_um=project.value("psf/scan/pixel_pitch_um"),
        saturation=project.value("psf/scan/saturation"),
        linear_fill_factor=project.value("psf/optics/linear_fill_factor"),
        kernel_model=project.value("psf/kernel_model"),
        code=project.code("calibrate_psf"),
    script:
        "../scripts/calibrate_psf.py"


rule model_psf:
    """Kernels for every depth from the optics of the imager as designed."""
    output:
        psf=project.psf_file("optics.h5"),
    log:
        project.log("model_psf"),
    conda:
        "../../envs/foci3d.yaml"
    params:
        **project.kernel_grid(),
        optics=project.value("psf/optics"),
        code=project.code("model_psf"),
    script:
        "../scripts/model_psf.py"


rule import_psf:
    """Kernels for every depth from a user's own stack of kernels."""
    input:
        kernels=project.value("psf/file"),
    output:
        psf=project.psf_file("file.h5"),
    log:
        project.log("import_psf"),
    conda:
        "../../envs/foci3d.yaml"
    params:
        **project.kernel_grid(),
        code=project.code("import_psf"),
    script:
        "../scripts/import_psf.py"
