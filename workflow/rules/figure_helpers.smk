# Outputs with their report entries. No rules here.


def figure_output(name, category):
    """A figure or panel as PNG, with its report entry, and as SVG."""
    labels = {"figure": name.removeprefix("fig").removeprefix("_")}
    png = report(f"{RESULTS}/figures/{name}.png", category=category, caption=f"../report/{name}.rst", labels=labels)
    return [png, f"{RESULTS}/figures/{name}.svg"]


def table_outputs(name):
    """A table as CSV and HTML, with their report entries, and as Markdown."""

    def entry(suffix, form):
        labels = {"table": name.removeprefix("table"), "form": form}
        caption = f"../report/{name}.rst"
        return report(f"{RESULTS}/tables/{name}.{suffix}", category="Tables", caption=caption, labels=labels)

    return {
        "csv": entry("csv", "values (CSV)"),
        "html": entry("html", "page"),
        "markdown": f"{RESULTS}/tables/{name}.md",
    }
