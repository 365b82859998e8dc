"""Read a dataset, as a judge would: ``python examples/evaluation/read.py [otel-llm-evaluation.db]``."""

from __future__ import annotations

import sys
from pathlib import Path

from otel_llm.config import DEFAULT_DATASET
from otel_llm.evaluation.dataset.reader import DatasetError, Selection, read


def main(path: str = DEFAULT_DATASET) -> int:
    try:
        for item in read(Path(path), Selection(limit=20)).items:
            if "answer" in item:
                print(f"{item['query']!r:.60} -> {item['answer']!r:.60}, from {len(item.get('context', ()))} documents")
    except DatasetError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
