# Included by the Snakefile of each study. `project` names the files of a run and holds its configuration for all rules.

from pathlib import Path

from foci3d.config.models import Config
from foci3d.workflow.project import Project

# The name of the module is that of the folder of the study.
here = Path(workflow.current_basedir.get_path_or_uri(secret_free=True))
project = Project(Config.model_validate(config), here.parent, study=__name__)


include: "../rules/report.smk"
