"""`python -m otel_llm.cli`, for where the script is not on the path."""

import sys

from otel_llm.cli import main

sys.exit(main())
