"""Coverage-guided fuzzing of the readers of foci3d, by hand: files that reach new code are changed further.

`pip install atheris`, then `PYTHONPATH=tests python tests/faults/coverage_fuzz.py 60` gives each reader 60 s, starting
from the files that it accepts, and prints one line of JSON per reader. An input that a reader does not read, or refuse
by one line, is kept as `crash-*` in the current folder, and ends the fuzzing of that reader.
"""

import argparse
import json
import logging
import os
import re
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["foci3d"]):
    from commands import READERS

from harness import read_files

COUNT = re.compile(r"stat::(number_of_executed_units|new_units_added): +(\d+)")


def fuzz(name: str, seconds: int, seed: int) -> None:
    """Fuzz a reader in this process, which libFuzzer ends. An input is the number of a file, and its content."""
    valid = dict(READERS[name].valid())
    names = sorted(name for name in valid if valid[name])  # an empty file only has to exist

    def read(data: bytes) -> None:
        if data:
            read_files(READERS[name], {**valid, names[data[0] % len(names)]: data[1:]})

    corpus = tempfile.mkdtemp()
    for number, each in enumerate(names):
        Path(corpus, str(number)).write_bytes(bytes([number]) + valid[each])
    # The memory is limited by the harness.
    options = [f"-max_total_time={seconds}", f"-seed={seed}", "-rss_limit_mb=0", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, corpus], read)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", type=int, help="for each reader")
    parser.add_argument("readers", nargs="*", choices=[[], *READERS], help="default all")
    parser.add_argument("--seed", type=int, default=1, help="of the changes; default 1")
    arguments = parser.parse_args()
    logging.disable()
    for name in arguments.readers or READERS:
        with tempfile.TemporaryFile("w+") as log:
            process = os.fork()  # not started anew: the imports take longer than many inputs
            if process == 0:
                os.dup2(log.fileno(), 2)
                fuzz(name, arguments.seconds, arguments.seed)
            status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            log.seek(0)
            report = log.read()
        counts = {key: int(value) for key, value in COUNT.findall(report)}
        print(json.dumps({"reader": name, "failed": status != 0, **counts}), flush=True)
        if status:
            print(report[-3000:], file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
