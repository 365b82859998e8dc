"""The ids of trace and session on every log record, with the standard library's logging and with structlog.

pip install structlog
"""

import logging

import structlog

import otel_llm
from otel_llm.log_correlation import ContextFilter, add_ids

handler = logging.StreamHandler()
handler.setFormatter(logging.Formatter("%(levelname)s %(message)s trace=%(trace_id)s session=%(session_id)s"))
handler.addFilter(ContextFilter())
logging.basicConfig(handlers=[handler], level=logging.INFO)

structlog.configure(processors=[add_ids, structlog.processors.JSONRenderer()])

with otel_llm.propagate_attributes(session_id="s-1"), otel_llm.workflow_span("answer"):
    logging.getLogger("application").info("retrieved 3 articles")
    structlog.get_logger().info("retrieved", articles=3)
