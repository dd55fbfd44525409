"""Coverage-guided fuzzing of the readers of foci3d, by hand: files that reach new code are changed further.

`pip install atheris`, then `PYTHONPATH=tests python tests/faults/coverage_fuzz.py 60` gives each reader 60 s, starting
from the files that it accepts, and prints one line of JSON per reader. An input that a reader does not read, or refuse
by one line, is kept as `crash-*` in the current folder, and ends the fuzzing of that reader.
"""

import argparse
import json
import logging
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["foci3d", "tifffile", "scipy.io.matlab", "PIL", "safetensors", "yaml", "csv"]):
    from readers import READERS

from harness import read_files


def fuzz(name: str, seconds: int, seed: int) -> None:
    """Fuzz a reader in this process, which libFuzzer ends. An input is the number of a file, and its content."""
    valid = dict(READERS[name].valid())
    names = sorted(valid)

    def read(data: bytes) -> None:
        if data:
            read_files(READERS[name], {**valid, names[data[0] % len(names)]: data[1:]})

    with tempfile.TemporaryDirectory() as corpus:
        for number, each in enumerate(names):
            Path(corpus, each.replace("/", "_")).write_bytes(bytes([number]) + valid[each])
        # The memory is limited by the harness.
        options = [f"-max_total_time={seconds}", f"-seed={seed}", "-rss_limit_mb=0", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *options, corpus], read)
        atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", type=int, help="for each reader")
    parser.add_argument("readers", nargs="*", choices=[[], *READERS], help="default all")
    parser.add_argument("--seed", type=int, default=1, help="of the changes; default 1")
    parser.add_argument(
        "--here", action="store_true", help="fuzz one reader in this process, and print what libFuzzer does"
    )
    arguments = parser.parse_args()
    logging.disable()
    if arguments.here:
        fuzz(arguments.readers[0], arguments.seconds, arguments.seed)
    for name in arguments.readers or READERS:
        command = [sys.executable, __file__, str(arguments.seconds), name, f"--seed={arguments.seed}", "--here"]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        counts = {
            key: int(value)
            for key, value in re.findall(r"stat::(number_of_executed_units|new_units_added): +(\d+)", run.stderr)
        }
        print(json.dumps({"reader": name, "failed": run.returncode != 0, **counts}), flush=True)
        if run.returncode:
            print(run.stderr[-3000:], file=sys.stderr)


if __name__ == "__main__":
    main()
