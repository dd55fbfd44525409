# Functions for the Snakefiles of the core and of the studies, which define `project`. The rules of figures and tables differ
# in names, inputs and params alone: `add_figure` and `add_table` add them, with their report entries.

import re
from pathlib import Path
from types import SimpleNamespace

import jinja2


def wildcard_regex(names):
    """Regular expression that matches one of `names`, and nothing where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def report_entry(path, name, category, labels):
    """An output that the report shows with the caption `name`."""
    return report(path, category=category, caption=project.caption(name), labels=labels)


def figure_outputs(figure):
    """The panels of a figure as PNG, with report entries, and as SVG; and its interactive page."""
    outputs = {}
    for output, panel in figure.outputs.items():
        labels = {"figure": panel.removeprefix("fig").removeprefix("_")}
        png = report_entry(project.figure(panel), panel, figure.category, labels)
        outputs[output] = [png, project.figure(panel, "svg")]
    if figure.view:
        labels = {"figure": f"{figure.view.removeprefix('fig')}, interactive"}
        page = project.figure(figure.view, "html")
        outputs["view"] = report_entry(page, figure.view, figure.category, labels)
    return outputs


def table_outputs(name):
    """A table as CSV and HTML, with report entries, and as Markdown."""
    labels = {"table": name.removeprefix("table")}
    forms = {"csv": "values (CSV)", "html": "page"}
    entries = {
        suffix: report_entry(project.table(name, suffix), name, "Tables", {**labels, "form": form})
        for suffix, form in forms.items()
    }
    return {**entries, "markdown": project.table(name, "md")}


def table_note(name):
    """The caption of a table as Markdown, which the table shows in its readable forms."""
    template = jinja2.Template(Path(project.caption(name)).read_text())
    text = template.render(snakemake=SimpleNamespace(config=config)).strip().replace("``", "`")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def add_rule(name, summary, inputs, outputs, params, script_name):
    """Add a rule that makes figures or a table by a script."""

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


def add_figure(figure):
    """Add the rule of a figure (`foci3d.workflow.report.Figure`)."""
    inputs, params = figure.inputs(project), figure.params(project)
    add_rule(figure.name, figure.summary, inputs, figure_outputs(figure), params, figure.script or figure.name)


def add_table(table):
    """Add the rule of a table (`foci3d.workflow.report.Table`)."""
    inputs, rule_name = table.inputs(project), f"make_{table.name}"
    params = {**table.params(project), "note": table_note(table.name)}
    add_rule(rule_name, table.summary, inputs, table_outputs(table.name), params, rule_name)
