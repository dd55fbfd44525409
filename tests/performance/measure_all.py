"""The numbers of docs/performance.md in one run: `python tests/performance/measure_all.py RESULTS --before CHECKOUT`.

Runs scripts of this folder one after the other, which takes an hour, and writes their figures with the commit into
docs/results/measurements.csv; `--only` selects some. The results are those of a run at the paper's scale, the checkout
is a version of foci3d to compare with. Nothing else should run on the machine, but for the same on another core with
other scripts; `synthesis.py` needs two free cores.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

HERE = Path(__file__).parent
TABLE = HERE.parents[1] / "docs" / "results" / "measurements.csv"
DIGITS = 2


class Figure(NamedTuple):
    """A figure of a script: name in the table, keys in the JSON object that is printed, unit, factor to that unit.

    Keys are separated by ``|`` or, where there is none, by spaces.
    """

    name: str
    keys: str
    unit: str
    factor: float = 1

    def text(self, printed: dict[str, Any]) -> str:
        """The figure among those that are printed."""
        keys = self.keys.split("|" if "|" in self.keys else None)
        value = self.factor * float(reduce(lambda values, key: values[key], keys, printed))
        return f"{float(f'{value:.{DIGITS}g}'):g}"


@dataclass(frozen=True)
class Script:
    """A script with its arguments and figures.

    `{results}` and `{before}` among the arguments stand for those of the command line.
    """

    name: str
    arguments: str
    figures: tuple[Figure, ...]

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
            Figure("speed.simulation", "samples_vs_obvious", "times"),
            Figure("speed.simulation.samples_per_second", "samples_per_s", "1/s"),
            Figure("speed.simulation.wide", "wide_vs_paper", "times"),
            Figure("speed.perlin_noise", "perlin_vs_noise", "times"),
            Figure("speed.perlin_vnoise", "perlin_vs_vnoise", "times"),
            Figure("speed.two_processes", "two_processes", "times"),
        ),
    ),
    Script(
        "reconstruction.py",
        "{results} --iterations 30 100 300 --validation-samples 40 --test-samples 60",
        (
            Figure("speed.stack.ms", "stack2_physics sample_ms", "ms"),
            Figure("speed.stack", "stack2_physics sample_vs_classical", "times"),
            Figure("speed.stack.batch.ms", "stack2_physics batch_sample_ms", "ms"),
            Figure("speed.stack.batch", "stack2_physics batch_vs_classical", "times"),
            Figure("speed.stack.error_ratio", "stack2_physics error_ratio", "times"),
            Figure("speed.stack.symmetries", "stack2_physics symmetries_vs_classical", "times"),
            Figure("speed.deblurring.ms", "deblur_physics sample_ms", "ms"),
            Figure("speed.deblurring", "deblur_physics sample_vs_classical", "times"),
            Figure("speed.deblurring.batch.ms", "deblur_physics batch_sample_ms", "ms"),
            Figure("speed.deblurring.batch", "deblur_physics batch_vs_classical", "times"),
            Figure("speed.deblurring.error_ratio", "deblur_physics error_ratio", "times"),
            Figure("speed.deblurring.symmetries", "deblur_physics symmetries_vs_classical", "times"),
        ),
    ),
    Script(
        "network.py",
        "--before {before}",
        (
            Figure("speed.predict.vs_before", "predict times_as_fast", "times"),
            Figure("speed.predict_bfloat16.vs_before", "predict_bfloat16 times_as_fast", "times"),
            Figure("speed.symmetries.vs_before", "symmetries times_as_fast", "times"),
            Figure("speed.step.vs_before", "step times_as_fast", "times"),
        ),
    ),
    Script(
        "first_answer.py",
        "--before {before}",
        (
            Figure("first_answer.reconstruct.seconds", "foci3d reconstruct|seconds", "s"),
            Figure("first_answer.reconstruct.vs_torch", "foci3d reconstruct|vs_torch", "times"),
            Figure("first_answer.reconstruct.vs_before", "foci3d reconstruct|vs_before", "times"),
            Figure("first_answer.import.vs_torch", "from foci3d import reconstruct|vs_torch", "times"),
        ),
    ),
    Script(
        "field.py",
        "--extents 256 768",
        (
            Figure("field.seconds_per_megapixel", "seconds_per_megapixel", "s"),
            Figure("field.mib_per_megapixel", "mib_per_megapixel", "MiB"),
        ),
    ),
    Script(
        "field.py",
        "--extents 256 768 --precision bfloat16",
        (Figure("field.bfloat16.seconds_per_megapixel", "seconds_per_megapixel", "s"),),
    ),
    Script(
        "series.py",
        "--frames 60 600",
        (
            Figure("series.seconds_per_frame", "seconds_per_frame", "s"),
            Figure("series.mib_per_frame", "mib_per_1000_frames", "MiB", 1e-3),
        ),
    ),
    Script(
        "training.py",
        "{results} --interval 100",
        (
            Figure("stack2_resnet.seconds_to_paper", "stack2_resnet seconds_to_target", "s"),
            Figure("stack2_physics.seconds_to_paper", "stack2_physics seconds_to_target", "s"),
            Figure("speed.training_to_paper", "times_as_fast_to_target", "times"),
            Figure("speed.step.resnet", "stack2_resnet steps_vs_plain", "times"),
            Figure("speed.step.physics", "stack2_physics steps_vs_plain", "times"),
            Figure("speed.step.resnet.overhead", "stack2_resnet outside_share", "%", 100),
            Figure("speed.step.physics.overhead", "stack2_physics outside_share", "%", 100),
        ),
    ),
    Script(
        "training_memory.py",
        "",
        (Figure("memory.large_training.gb", "largest_peak_gb", "GB"),),
    ),
    Script(
        "cost_model.py",
        "",
        (
            Figure("cost.sample.ms", "synthesize_shard|cpu_s|per_unit", "ms", 1e3),
            Figure("cost.sample.kb", "synthesize_shard|disk_gb|per_unit", "kB", 1e6),
            Figure("cost.start.seconds", "train stack2_physics|cpu_s|start", "s"),
        ),
    ),
)


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
        printed, command = script.run(arguments.results, arguments.before)
        print(command, json.dumps(printed), flush=True)
        table = pd.read_csv(TABLE, dtype=str, keep_default_na=False).set_index("name", drop=False)
        for figure in script.figures:
            row = [figure.name, figure.text(printed), "", "", figure.unit, commit.stdout.strip(), command]
            table.loc[figure.name] = row
        table.to_csv(TABLE, index=False)


if __name__ == "__main__":
    main()
