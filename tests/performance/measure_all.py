"""The numbers of docs/performance.md in one run: `python tests/performance/measure_all.py RESULTS --before CHECKOUT`.

Runs scripts of this folder one after the other, which takes half an hour, and writes their figures with the commit into
docs/results/measurements.csv; `--only` selects some. The results are those of a run at the paper's scale, the checkout
is a version of foci3d to compare with. Nothing else should run on the machine.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import pandas as pd

HERE = Path(__file__).parent
TABLE = HERE.parents[1] / "docs" / "results" / "measurements.csv"
DIGITS = 2


@dataclass(frozen=True)
class Script:
    """A script with its arguments, and the figures that it prints: name in the table, keys in its JSON object, unit.

    Shares are printed from 0 to 1, and percentages in the table.

    `{results}` and `{before}` among the arguments stand for those of the command line.
    """

    name: str
    arguments: str
    figures: tuple[tuple[str, str, str], ...]

    def run(self, results: Path, before: Path) -> tuple[dict[str, Any], str]:
        """The JSON object, and the command as the table names it."""
        arguments = self.arguments.format(results=results, before=before)
        command = [sys.executable, str(HERE / self.name), *arguments.split()]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        described = self.arguments.format(results="RESULTS", before="CHECKOUT")
        return json.loads(done.stdout), f"tests/performance/{self.name} {described}".strip()


SCRIPTS = (
    Script(
        "synthesis.py",
        "",
        (
            ("speed.simulation", "samples_vs_obvious", "times"),
            ("speed.simulation.samples_per_second", "samples_per_s", "1/s"),
            ("speed.simulation.wide", "wide_vs_paper", "times"),
            ("speed.perlin_noise", "perlin_vs_noise", "times"),
            ("speed.perlin_vnoise", "perlin_vs_vnoise", "times"),
            ("speed.two_processes", "two_processes", "times"),
        ),
    ),
    Script(
        "reconstruction.py",
        "{results} --iterations 30 100 300 --validation-samples 40 --test-samples 60",
        (
            ("speed.stack.ms", "stack2_physics sample_ms", "ms"),
            ("speed.stack", "stack2_physics sample_vs_classical", "times"),
            ("speed.stack.batch.ms", "stack2_physics batch_sample_ms", "ms"),
            ("speed.stack.batch", "stack2_physics batch_vs_classical", "times"),
            ("speed.stack.error_ratio", "stack2_physics error_ratio", "times"),
            ("speed.stack.symmetries", "stack2_physics symmetries_vs_classical", "times"),
            ("speed.deblurring.ms", "deblur_physics sample_ms", "ms"),
            ("speed.deblurring", "deblur_physics sample_vs_classical", "times"),
            ("speed.deblurring.batch.ms", "deblur_physics batch_sample_ms", "ms"),
            ("speed.deblurring.batch", "deblur_physics batch_vs_classical", "times"),
            ("speed.deblurring.error_ratio", "deblur_physics error_ratio", "times"),
            ("speed.deblurring.symmetries", "deblur_physics symmetries_vs_classical", "times"),
        ),
    ),
    Script(
        "network.py",
        "--before {before}",
        (
            ("speed.predict.vs_before", "predict times_as_fast", "times"),
            ("speed.predict_bfloat16.vs_before", "predict_bfloat16 times_as_fast", "times"),
            ("speed.symmetries.vs_before", "symmetries times_as_fast", "times"),
            ("speed.step.vs_before", "step times_as_fast", "times"),
        ),
    ),
    Script(
        "first_answer.py",
        "--before {before}",
        (
            ("first_answer.reconstruct.seconds", "foci3d reconstruct|seconds", "s"),
            ("first_answer.reconstruct.vs_torch", "foci3d reconstruct|vs_torch", "times"),
            ("first_answer.reconstruct.vs_before", "foci3d reconstruct|vs_before", "times"),
            ("first_answer.import.vs_torch", "from foci3d import reconstruct|vs_torch", "times"),
        ),
    ),
    Script(
        "field.py",
        "--extents 256 768",
        (
            ("field.seconds_per_megapixel", "seconds_per_megapixel", "s"),
            ("field.mib_per_megapixel", "mib_per_megapixel", "MiB"),
        ),
    ),
    Script(
        "field.py",
        "--extents 256 768 --precision bfloat16",
        (("field.bfloat16.seconds_per_megapixel", "seconds_per_megapixel", "s"),),
    ),
    Script(
        "series.py",
        "--frames 60 600",
        (("series.seconds_per_frame", "seconds_per_frame", "s"),),
    ),
    Script(
        "training.py",
        "{results} --target 1",
        (
            ("speed.step.resnet", "stack2_resnet steps_vs_plain", "times"),
            ("speed.step.physics", "stack2_physics steps_vs_plain", "times"),
            ("speed.step.resnet.overhead", "stack2_resnet outside_share", "%"),
            ("speed.step.physics.overhead", "stack2_physics outside_share", "%"),
        ),
    ),
)


def format_figure(figures: dict[str, Any], keys: str, unit: str) -> str:
    """The figure at keys that are separated by ``|`` or, where there is none, by spaces, as text."""
    value = float(reduce(lambda values, key: values[key], keys.split("|" if "|" in keys else None), figures))
    percent = 100 * value if unit == "%" else value
    return f"{float(f'{percent:.{DIGITS}g}'):g}"


def main() -> None:
    parser = argparse.ArgumentParser(description="All numbers of docs/performance.md")
    parser.add_argument("results", type=Path, help="folder of results of a run at the paper's scale")
    parser.add_argument("--before", type=Path, required=True, help="another checkout of foci3d, to compare with")
    parser.add_argument("--only", nargs="*", default=[script.name for script in SCRIPTS], help="names of scripts")
    arguments = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short=7", "HEAD"], check=True, stdout=subprocess.PIPE, text=True)
    for script in SCRIPTS:
        if script.name not in arguments.only:
            continue
        figures, command = script.run(arguments.results, arguments.before)
        print(command, json.dumps(figures), flush=True)
        table = pd.read_csv(TABLE, dtype=str, keep_default_na=False).set_index("name", drop=False)
        for name, keys, unit in script.figures:
            value = format_figure(figures, keys, unit)
            table.loc[name] = [name, value, "", "", unit, commit.stdout.strip(), command]
        table.to_csv(TABLE, index=False)


if __name__ == "__main__":
    main()
