"""Read the files that name a project's dependencies, as text. A stand-alone program.

Answer: {"files": {path: text}}. A link leads no further than the sandbox.
"""

import json
import os
import sys
from glob import glob

PATTERNS = ("requirements*.txt", "requirements/*.txt", "pyproject.toml", "*constraints*.txt")
LARGEST = 262_144
MOST = 50


def main() -> None:
    sys.stdin.read()
    files = {}
    for path in sorted({path for pattern in PATTERNS for path in glob(pattern)})[:MOST]:
        if os.path.isfile(path):
            with open(path, "rb") as file:
                files[os.path.normpath(path)] = file.read(LARGEST).decode(errors="replace")
    json.dump({"files": files}, sys.stdout)


if __name__ == "__main__":
    main()
