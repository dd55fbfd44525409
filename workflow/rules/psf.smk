# The point-spread function, from one of three sources in one file format; psf.source selects the one that is used.
# Reads a bead scan, the optics or a stack of kernels; writes {results}/psf/{scan,optics,file}.h5.


rule simulate_scan:
    """Simulated pinhole scan of known optics, in the files of a measured one."""
    output:
        stack=f"{RESULTS}/psf/simulated_scan.tiff",
        depths=f"{RESULTS}/psf/simulated_scan.csv",
    log:
        f"{RESULTS}/logs/simulate_scan.log",
    benchmark:
        f"{RESULTS}/benchmarks/simulate_scan.tsv"
    conda:
        "../../envs/foci3d.yaml"
    params:
        simulation=config["psf"]["simulation"],
        optics=config["psf"]["optics"],
        pixel_pitch_um=config["psf"]["scan"]["pixel_pitch_um"],
        saturation=config["psf"]["scan"]["saturation"],
        seed=config["seed"],
        code=code_of("simulate_scan"),
    script:
        "../scripts/simulate_scan.py"


rule calibrate_psf:
    """Kernels for every depth from a bead scan, by a fit of the angular acceptance."""
    input:
        stack=scan_file("stack", "tiff"),
        depths=scan_file("depths", "csv"),
    output:
        psf=f"{RESULTS}/psf/scan.h5",
        profiles=f"{RESULTS}/psf/scan_profiles.csv",
        widths=f"{RESULTS}/psf/scan_widths.csv",
    log:
        f"{RESULTS}/logs/calibrate_psf.log",
    benchmark:
        f"{RESULTS}/benchmarks/calibrate_psf.tsv"
    conda:
        "../../envs/foci3d.yaml"
    params:
        scan_pitch_um=config["psf"]["scan"]["pixel_pitch_um"],
        saturation=config["psf"]["scan"]["saturation"],
        linear_fill_factor=config["psf"]["optics"]["linear_fill_factor"],
        kernel_model=config["psf"]["kernel_model"],
        depth_range_um=config["psf"]["depth_range_um"],
        depth_step_um=config["psf"]["depth_step_um"],
        n_pixels=config["imager"]["n_pixels"],
        pixel_pitch_um=config["imager"]["pixel_pitch_um"],
        code=code_of("calibrate_psf"),
    script:
        "../scripts/calibrate_psf.py"


rule model_psf:
    """Kernels for every depth from the optics of the imager as designed."""
    output:
        psf=f"{RESULTS}/psf/optics.h5",
    log:
        f"{RESULTS}/logs/model_psf.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        optics=config["psf"]["optics"],
        depth_range_um=config["psf"]["depth_range_um"],
        depth_step_um=config["psf"]["depth_step_um"],
        n_pixels=config["imager"]["n_pixels"],
        pixel_pitch_um=config["imager"]["pixel_pitch_um"],
        code=code_of("model_psf"),
    script:
        "../scripts/model_psf.py"


rule import_psf:
    """Kernels for every depth from a user's own stack of kernels."""
    input:
        kernels=config["psf"]["file"],
    output:
        psf=f"{RESULTS}/psf/file.h5",
    log:
        f"{RESULTS}/logs/import_psf.log",
    conda:
        "../../envs/foci3d.yaml"
    params:
        depth_range_um=config["psf"]["depth_range_um"],
        depth_step_um=config["psf"]["depth_step_um"],
        n_pixels=config["imager"]["n_pixels"],
        pixel_pitch_um=config["imager"]["pixel_pitch_um"],
        code=code_of("import_psf"),
    script:
        "../scripts/import_psf.py"
