# Functions for the Snakefiles of the core and of the studies, which define `project`. The rules of figures and tables differ
# in names, inputs and params alone: `add_figure` and `add_table` add them, with their report entries.

import re
from pathlib import Path
from types import SimpleNamespace

import jinja2


def wildcard_regex(names):
    """Regular expression that matches one of `names`, and nothing where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def report_entry(path, name, category, **labels):
    """An output that the report shows with the caption `name`."""
    return report(path, category=category, caption=project.caption(name), labels=labels)


def figure_output(name, category):
    """A figure or panel as PNG, with its report entry, and as SVG."""
    label = name.removeprefix("fig").removeprefix("_")
    return [report_entry(project.figure(name), name, category, figure=label), project.figure(name, "svg")]


def table_outputs(name):
    """A table as CSV and HTML, with their report entries, and as Markdown."""
    label = name.removeprefix("table")
    return {
        "csv": report_entry(project.table(name), name, "Tables", table=label, form="values (CSV)"),
        "html": report_entry(project.table(name, "html"), name, "Tables", table=label, form="page"),
        "markdown": project.table(name, "md"),
    }


def table_note(name):
    """The caption of a table as Markdown, which the table shows in its readable forms."""
    template = jinja2.Template(Path(project.caption(name)).read_text())
    text = template.render(snakemake=SimpleNamespace(config=config)).strip().replace("``", "`")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def add_rule(name, summary, inputs, outputs, params, script_name):
    """Add a rule that makes a table or figures by a script."""

    rule:
        name:
            name
        input:
            **inputs,
        output:
            **outputs,
        log:
            project.log(name),
        conda:
            project.environment
        params:
            **params,
            code=project.code(script_name),
        script:
            str(project.script(script_name))

    getattr(rules, name).rule.docstring = summary


def add_figure(name, summary, category, inputs, params={}, panels=(), script="", others={}):
    """Add the rule `name` of a figure, with `panels` as outputs of their names, or with one output `figure`.

    The script has the name of the rule, or that of a figure that only differs in its inputs. It may have `others` as
    outputs, too.
    """
    outputs = {panel: figure_output(panel, category) for panel in panels} or {"figure": figure_output(name, category)}
    add_rule(name, summary, inputs, {**outputs, **others}, params, script or name)


def add_table(name, summary, inputs, params={}):
    """Add the rule `make_{name}` of a table, and its script's param `note`, the caption."""
    params = {**params, "note": table_note(name)}
    add_rule(f"make_{name}", summary, inputs, table_outputs(name), params, f"make_{name}")
