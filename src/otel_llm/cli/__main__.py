"""Makes `python -m otel_llm.cli` work, for installations whose scripts are not on the PATH."""

import sys

from otel_llm.cli import main

sys.exit(main())
