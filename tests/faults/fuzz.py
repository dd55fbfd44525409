"""Every reader of foci3d with generated inputs: each is read, or refused by one line.

`PYTHONPATH=tests python tests/faults/fuzz.py 300` reads 300 generated inputs with each reader, and prints one line of
JSON per reader; tracebacks go to the error output.
"""

import argparse
import json
import logging
import sys

from commands import READERS
from harness import fuzz


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("n_inputs", type=int, help="for each reader")
    parser.add_argument("readers", nargs="*", choices=[[], *READERS], help="default all")
    parser.add_argument("--seed", type=int, default=0, help="of the generated inputs; default 0")
    arguments = parser.parse_args()
    logging.disable()
    for name in arguments.readers or READERS:
        failures: dict[str, str] = {}
        outcomes = fuzz(READERS[name], arguments.n_inputs, arguments.seed, failures)
        print(json.dumps({"reader": name, **outcomes, "failures": [*failures]}), flush=True)
        print(*failures.values(), sep="\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
