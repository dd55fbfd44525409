# The point-spread function. Three ways lead to a file of one format; psf.from chooses the one that the rest reads.
# Reads a bead scan, the optics or a kernel stack; writes {results}/psf/{scan,optics,file}.h5.


rule simulate_scan:
    """Render a pinhole scan with known optics, as the TIFF stack and CSV that a user would measure."""
    output:
        stack=f"{RESULTS}/psf/simulated_scan.tiff",
        depths=f"{RESULTS}/psf/simulated_scan.csv",
    log:
        f"{RESULTS}/logs/simulate_scan.log",
    benchmark:
        f"{RESULTS}/benchmarks/simulate_scan.tsv"
    conda:
        "../../envs/foci3d.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        simulation=lookup("psf/simulation", within=config),
        optics=lookup("psf/optics", within=config),
        pixel_pitch_um=lookup("psf/scan/pixel_pitch_um", within=config),
        saturation=lookup("psf/scan/saturation", within=config),
        seed=lookup("seed", within=config),
        code=code_of("simulate_scan"),
    script:
        "../scripts/simulate_scan.py"


rule calibrate_psf:
    """Find the beads of a scan, average them and fit the angular acceptance: kernels for every depth."""
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
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        scan_pitch_um=lookup("psf/scan/pixel_pitch_um", within=config),
        saturation=lookup("psf/scan/saturation", within=config),
        aperture=lookup("psf/optics/aperture", within=config),
        kernel=lookup("psf/kernel", within=config),
        depth_range_um=lookup("psf/depth_range_um", within=config),
        depth_step_um=lookup("psf/depth_step_um", within=config),
        imager=lookup("imager", within=config),
        code=code_of("calibrate_psf"),
    script:
        "../scripts/calibrate_psf.py"


rule model_psf:
    """Kernels for every depth from the imager's optics on paper, without a scan."""
    output:
        psf=f"{RESULTS}/psf/optics.h5",
    log:
        f"{RESULTS}/logs/model_psf.log",
    conda:
        "../../envs/foci3d.yaml"
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        optics=lookup("psf/optics", within=config),
        depth_range_um=lookup("psf/depth_range_um", within=config),
        depth_step_um=lookup("psf/depth_step_um", within=config),
        imager=lookup("imager", within=config),
        code=code_of("model_psf"),
    script:
        "../scripts/model_psf.py"


rule import_psf:
    """Kernels for every depth from a user's own kernel stack."""
    input:
        kernels=lookup("psf/file", within=config),
    output:
        psf=f"{RESULTS}/psf/file.h5",
    log:
        f"{RESULTS}/logs/import_psf.log",
    conda:
        "../../envs/foci3d.yaml"
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        depth_range_um=lookup("psf/depth_range_um", within=config),
        depth_step_um=lookup("psf/depth_step_um", within=config),
        imager=lookup("imager", within=config),
        code=code_of("import_psf"),
    script:
        "../scripts/import_psf.py"
