"""Run the script of one rule alone, for a debugger, a profiler or a notebook.

Usage: ``python workflow/run_script.py RULE [WILDCARD=VALUE ...] [--configfile FILE ...] [--config KEY=VALUE ...]``
"""

import argparse
import runpy
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from snakemake.api import SnakemakeApi
from snakemake.dag import DAG
from snakemake.jobs import Job
from snakemake.rules import Rule
from snakemake.script import Snakemake
from snakemake.settings import types as settings
from snakemake.workflow import Workflow

PROJECT = Path(__file__).parents[1]


@contextmanager
def load_workflow(configfiles: Sequence[str | Path] = (), config: Mapping[str, Any] = {}) -> Iterator[Workflow]:
    """The workflow with all its rules, as Snakemake reads it with these overlays and values."""
    configuration = settings.ConfigSettings(config=dict(config), configfiles=[Path(file) for file in configfiles])
    with SnakemakeApi(settings.OutputSettings(quiet={settings.Quietness.ALL})) as api:
        session = api.workflow(settings.ResourceSettings(cores=1), configuration, snakefile=PROJECT / "Snakefile")
        workflow = session._get_workflow(dag_settings=settings.DAGSettings(), check_envvars=False)
        workflow.include(PROJECT / "Snakefile", overwrite_default_target=True)
        yield workflow


def script_path(rule: Rule) -> Path:
    """The script of a rule, whose path is relative to the file that holds the rule."""
    return Path(rule.basedir.join(rule.script).get_path_or_uri(secret_free=True)).resolve()


def mock_snakemake(
    rule_name: str,
    wildcards: Mapping[str, str] = {},
    *,
    configfiles: Sequence[str | Path] = (),
    config: Mapping[str, Any] = {},
) -> Snakemake:
    """The object that Snakemake hands to the script of a rule.

    Parameters
    ----------
    rule_name : str
        Name of the rule.
    wildcards : mapping of str to str
        Value of each wildcard of its outputs.
    configfiles : sequence of str or Path
        Overlays of `config/config.yaml`, as of ``--configfile``.
    config : mapping
        Values that replace those of the files, as of ``--config``.

    Returns
    -------
    snakemake.script.Snakemake
        With input, output, params, wildcards, log, threads, resources, config, rule, and the script as `scriptdir`.
        Folders of outputs and log are created; files are not.

    Raises
    ------
    SystemExit
        If there is no such rule, or its wildcards are not those given.
    """
    with load_workflow(configfiles, config) as workflow:
        if not workflow.is_rule(rule_name):
            names = ", ".join(sorted(rule.name for rule in workflow.rules))
            sys.exit(f"there is no rule {rule_name}; expected one of {names}.")
        rule = workflow.get_rule(rule_name)
        if rule.wildcard_names != set(wildcards):
            sys.exit(
                f"rule {rule_name}: found the wildcards {sorted(wildcards)}; expected {sorted(rule.wildcard_names)}."
            )
        job = Job(rule, DAG(workflow, rules=[rule]), dict(wildcards))
        for path in (*job.output, *job.log):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        parts = (job.input, job.output, job.params, job.wildcards, job.threads, job.resources, job.log)
        return Snakemake(*parts, workflow.config, rule_name, None, str(script_path(rule)))


def main() -> None:
    """Run the script that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="Run it in the project folder.")
    parser.add_argument("rule", metavar="RULE", help="name of the rule")
    parser.add_argument("wildcards", nargs="*", metavar="WILDCARD=VALUE", help="its wildcards")
    parser.add_argument("--configfile", nargs="+", default=[], metavar="FILE", help="overlays of config/config.yaml")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="values that replace theirs")
    options = parser.parse_intermixed_args()
    wildcards = dict(pair.split("=", 1) for pair in options.wildcards)
    config = {key: yaml.safe_load(value) for key, value in (pair.split("=", 1) for pair in options.config)}
    stub = mock_snakemake(options.rule, wildcards, configfiles=options.configfile, config=config)
    sys.path.append(str(Path(stub.scriptdir).parent))
    runpy.run_path(stub.scriptdir, init_globals={"snakemake": stub}, run_name="__main__")


if __name__ == "__main__":
    main()
