"""Every reader of foci3d with generated inputs: each is read, or refused by one line.

`PYTHONPATH=tests python tests/faults/fuzz.py 300` reads 300 generated inputs with each reader, and prints one line of
JSON per reader.
"""

import argparse
import json
import logging

from harness import fuzz
from readers import READERS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("n_inputs", type=int, help="for each reader")
    parser.add_argument("readers", nargs="*", choices=[[], *READERS], help="default all")
    arguments = parser.parse_args()
    logging.disable()
    for name in arguments.readers or READERS:
        print(json.dumps({"reader": name, **fuzz(READERS[name], arguments.n_inputs, seed=0)}), flush=True)


if __name__ == "__main__":
    main()
