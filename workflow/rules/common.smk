# Checks the configuration. No rules here. `project` names the files of a run and holds its configuration for all rules.

import os
import sys
from pathlib import Path

from foci3d.config.effective import effective_yaml
from foci3d.config.validation import check_config
from foci3d.errors import InputError
from foci3d.io.atomic import atomic_path
from foci3d.workflow.project import SPLITS, Project

if " " in sys.executable:
    sys.exit(
        f"{sys.executable}: the path has a space; Snakemake starts no scripts there. Install foci3d in another folder."
    )
if not workflow.modifier.skip_configfile and not Path("config/config.yaml").is_file():
    sys.exit(
        f"{Path.cwd()}: found no config/config.yaml; expected the folder of the project. Run Snakemake there, without "
        "--directory, or copy config and resources."
    )

# A prefix of the module is one of the results alone: Snakemake would also look for the user's images below it.
prefix, workflow.modifier.path_modifier.prefix = workflow.modifier.path_modifier.prefix, None
if prefix and "results" in config:
    config["results"] = f"{prefix}{config['results']}"

try:
    overlays = workflow.overwrite_configfiles
    CONFIG_FILES = [*(file for file in workflow.configfiles if file not in overlays), *overlays]
    GIVEN = dict(config)
    here = Path(workflow.current_basedir.get_path_or_uri(secret_free=True))
    project = Project(check_config(GIVEN, CONFIG_FILES), here.parent)
    config.update(project.values)  # with defaults, for captions and scripts
    project.reconstructions.acquisitions
except InputError as error:
    sys.exit(str(error))

RESULTS = project.results


onstart:
    folder = next(path for path in [Path(RESULTS), *Path(RESULTS).absolute().parents] if path.exists())
    if not os.access(folder, os.W_OK):
        sys.exit(
            f"{folder}: cannot write; expected a folder for results, change its permissions or the key results."
        )
    with atomic_path(f"{RESULTS}/config.yaml") as path:
        path.write_text(effective_yaml(project.config, GIVEN, CONFIG_FILES), encoding="utf-8")


include: "report.smk"
