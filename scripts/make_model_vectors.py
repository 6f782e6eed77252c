"""Write the model vectors: `python -m scripts.make_model_vectors [--check]`; takes seconds."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests import model_vectors

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "vectors" / "models"


def main() -> int:
    """Write files and answers, or with --check say which ones are stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    arguments = parser.parse_args()
    stale = []

    def put(path: Path, data: bytes) -> None:
        if not path.exists() or path.read_bytes() != data:
            stale.append(path.name)
            if not arguments.check:
                path.write_bytes(data)

    FOLDER.mkdir(exist_ok=True)
    for plan in model_vectors.PLANS:
        put(FOLDER / f"{plan.name}.gguf", model_vectors.build_file(plan))
    answers = model_vectors.build_answers(FOLDER)
    text = json.dumps(answers, indent=1, ensure_ascii=False) + "\n"
    put(FOLDER / "answers.json", text.encode())
    print("stale" if arguments.check else "written", stale)
    return 1 if arguments.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
