"""The names of attributes, metrics and events, each defined once.

The names of the GenAI semantic conventions are defined here because the released ``opentelemetry.semconv`` marks its
GenAI module as deprecated and lacks the newer names. What the conventions have no name for is under ``otel_llm.*``.
"""

# --- attributes of the core conventions -----------------------------------------
ERROR_TYPE = "error.type"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
AWS_REQUEST_ID = "aws.request_id"
EXCEPTION_TYPE = "exception.type"
EXCEPTION_MESSAGE = "exception.message"
EXCEPTION_STACKTRACE = "exception.stacktrace"
SESSION_ID = "session.id"
USER_ID = "user.id"

# --- GenAI attributes ----------------------------------------------------------------------
OPERATION_NAME = "gen_ai.operation.name"
PROVIDER_NAME = "gen_ai.provider.name"
CONVERSATION_ID = "gen_ai.conversation.id"
CONVERSATION_COMPACTED = "gen_ai.conversation.compacted"
OUTPUT_TYPE = "gen_ai.output.type"
PROMPT_NAME = "gen_ai.prompt.name"
PROMPT_VERSION = "gen_ai.prompt.version"
PROMPT_VARIABLE_PREFIX = "gen_ai.prompt.variable."

AGENT_NAME = "gen_ai.agent.name"
AGENT_DESCRIPTION = "gen_ai.agent.description"
DATA_SOURCE_ID = "gen_ai.data_source.id"
WORKFLOW_NAME = "gen_ai.workflow.name"
TOOL_NAME = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
TOOL_DESCRIPTION = "gen_ai.tool.description"
TOOL_CALL_ID = "gen_ai.tool.call.id"
RETRIEVAL_TOP_K = "gen_ai.retrieval.top_k"

REQUEST_MODEL = "gen_ai.request.model"
REQUEST_CHOICE_COUNT = "gen_ai.request.choice.count"
REQUEST_ENCODING_FORMATS = "gen_ai.request.encoding_formats"
REQUEST_FREQUENCY_PENALTY = "gen_ai.request.frequency_penalty"
REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
REQUEST_PRESENCE_PENALTY = "gen_ai.request.presence_penalty"
REQUEST_PREVIOUS_RESPONSE_ID = "gen_ai.request.previous_response.id"
REQUEST_REASONING_LEVEL = "gen_ai.request.reasoning.level"
REQUEST_SEED = "gen_ai.request.seed"
REQUEST_STOP_SEQUENCES = "gen_ai.request.stop_sequences"
REQUEST_STREAM = "gen_ai.request.stream"
REQUEST_STREAM_CURSOR = "gen_ai.request.stream_cursor"
REQUEST_TEMPERATURE = "gen_ai.request.temperature"
REQUEST_TOP_K = "gen_ai.request.top_k"
REQUEST_TOP_P = "gen_ai.request.top_p"

RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons"
RESPONSE_ID = "gen_ai.response.id"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_STATUS = "gen_ai.response.status"
RESPONSE_TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"

USAGE_INPUT_TOKENS = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ_INPUT_TOKENS = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE_INPUT_TOKENS = "gen_ai.usage.cache_write.input_tokens"
USAGE_REASONING_OUTPUT_TOKENS = "gen_ai.usage.reasoning.output_tokens"

EMBEDDINGS_DIMENSION_COUNT = "gen_ai.embeddings.dimension.count"
TOKEN_TYPE = "gen_ai.token.type"
TOKEN_MODALITY = "gen_ai.token.modality"

# Content: recorded only if content is captured.
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions"
TOOL_DEFINITIONS = "gen_ai.tool.definitions"
TOOL_CALL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_CALL_RESULT = "gen_ai.tool.call.result"
RETRIEVAL_QUERY_TEXT = "gen_ai.retrieval.query.text"
RETRIEVAL_DOCUMENTS = "gen_ai.retrieval.documents"

# The result of an evaluation. The explanation is content.
EVALUATION_NAME = "gen_ai.evaluation.name"
EVALUATION_SCORE_VALUE = "gen_ai.evaluation.score.value"
EVALUATION_SCORE_LABEL = "gen_ai.evaluation.score.label"
EVALUATION_EXPLANATION = "gen_ai.evaluation.explanation"

# --- OpenAI refinement -----------------------------------------------------------------------
OPENAI_API_TYPE = "openai.api.type"
OPENAI_REQUEST_SERVICE_TIER = "openai.request.service_tier"
OPENAI_RESPONSE_SERVICE_TIER = "openai.response.service_tier"
OPENAI_RESPONSE_SYSTEM_FINGERPRINT = "openai.response.system_fingerprint"

# --- our attributes ----------------------------------------------------------------------
#: The name of an operation that the conventions don't define (low cardinality).
LLM_OPERATION_NAME = "otel_llm.operation.name"
#: How a call or stream ended early: ``cancelled``, ``closed`` (by the caller), ``blocked`` (by a guardrail) or
#: ``abandoned`` (dropped without being closed).
LLM_STREAM_OUTCOME = "otel_llm.stream.outcome"
#: The customer or team that the work is done for: of a span, or of a resource if it is the whole process's.
LLM_TENANT_ID = "otel_llm.tenant.id"
#: The average time of an output token after the first chunk, in seconds; streams only.
LLM_TIME_PER_OUTPUT_TOKEN = "otel_llm.response.time_per_output_token"
#: Output tokens divided by the duration of the call, in tokens per second; streams only.
LLM_OUTPUT_TOKENS_PER_SECOND = "otel_llm.response.output_tokens_per_second"
#: The finish reasons as the provider spells them, where ``gen_ai.response.finish_reasons`` differs.
LLM_RESPONSE_FINISH_REASONS = "otel_llm.response.finish_reasons"
#: The names of the content attributes that were truncated to the limit in bytes.
LLM_CONTENT_TRUNCATED = "otel_llm.content.truncated"
#: What became of content that was to be uploaded: ``stored``, ``failed`` or ``dropped``.
LLM_UPLOAD_OUTCOME = "otel_llm.upload.outcome"
#: What kind of text was replaced: ``secret``, ``email``, ...
LLM_REDACTION_KIND = "otel_llm.redaction.kind"
#: The provider's error code and the HTTP status, in addition to ``error.type``.
LLM_ERROR_CODE = "otel_llm.error.code"
LLM_ERROR_STATUS_CODE = "otel_llm.error.status_code"
#: The provider's id of the HTTP request (OpenAI: the ``x-request-id`` header), for support tickets.
LLM_REQUEST_ID = "otel_llm.request.id"
#: The number of retries that the SDK made inside the call; absent if there were none or the SDK does not report them.
LLM_REQUEST_RETRIES = "otel_llm.request.retries"
#: Tokens of OpenAI's predicted outputs that were accepted or rejected. Both are billed.
LLM_USAGE_ACCEPTED_PREDICTION_TOKENS = "otel_llm.usage.accepted_prediction_tokens"
LLM_USAGE_REJECTED_PREDICTION_TOKENS = "otel_llm.usage.rejected_prediction_tokens"
LLM_REQUEST_MODEL = "otel_llm.request.model"
#: How a request is processed where that has a price of its own: ``batch``, or the time within which a background
#: response has to be complete (``2h``, ``8h``).
LLM_REQUEST_PROCESSING = "otel_llm.request.processing"
#: The service tier that answered, of providers for which the conventions have no name of it.
LLM_RESPONSE_SERVICE_TIER = "otel_llm.response.service_tier"
#: What a model call cost, by the names of the conventions' open proposal: an amount, its ISO 4217 currency, and whether
#: the response told it (``provider``) or it was worked out here (``local``).
LLM_USAGE_COST_AMOUNT = "otel_llm.usage.cost.amount"
LLM_USAGE_COST_CURRENCY = "otel_llm.usage.cost.currency"
LLM_USAGE_COST_SOURCE = "otel_llm.usage.cost.source"
#: The tokens were counted by this package, because the provider sent no usage.
LLM_USAGE_ESTIMATED = "otel_llm.usage.estimated"
#: Why a call has no price; on metrics, the host that is paid by the hour.
LLM_UNPRICED_REASON = "otel_llm.unpriced.reason"
LLM_COST_HOST = "otel_llm.cost.host"
LLM_BATCH_ID = "otel_llm.batch.id"
LLM_BATCH_STATUS = "otel_llm.batch.status"
LLM_BATCH_ENDPOINT = "otel_llm.batch.endpoint"
LLM_BATCH_REQUESTS_TOTAL = "otel_llm.batch.requests.total"
LLM_BATCH_REQUESTS_COMPLETED = "otel_llm.batch.requests.completed"
LLM_BATCH_REQUESTS_FAILED = "otel_llm.batch.requests.failed"
#: Where a SageMaker call went: the endpoint, the part of it that was requested, and the variant that answered.
LLM_SAGEMAKER_ENDPOINT = "otel_llm.sagemaker.endpoint.name"
LLM_SAGEMAKER_INFERENCE_COMPONENT = "otel_llm.sagemaker.inference_component.name"
LLM_SAGEMAKER_TARGET_MODEL = "otel_llm.sagemaker.target_model"
LLM_SAGEMAKER_TARGET_VARIANT = "otel_llm.sagemaker.target_variant"
LLM_SAGEMAKER_TARGET_CONTAINER = "otel_llm.sagemaker.target_container"
LLM_SAGEMAKER_INVOKED_VARIANT = "otel_llm.sagemaker.invoked_variant"
#: The id of an asynchronous invocation, and the locations of its input and output.
LLM_SAGEMAKER_INFERENCE_ID = "otel_llm.sagemaker.inference.id"
LLM_SAGEMAKER_INPUT_LOCATION = "otel_llm.sagemaker.input_location"
LLM_SAGEMAKER_OUTPUT_LOCATION = "otel_llm.sagemaker.output_location"
LLM_SAGEMAKER_FAILURE_LOCATION = "otel_llm.sagemaker.failure_location"
#: The HTTP status of the model container. SageMaker's own status only says that the container failed.
LLM_SAGEMAKER_ORIGINAL_STATUS_CODE = "otel_llm.sagemaker.error.original_status_code"
LLM_MODERATION_FLAGGED = "otel_llm.moderation.flagged"
LLM_MODERATION_CATEGORIES = "otel_llm.moderation.categories"
#: The prompt template that led to an inference: its text (content), the start of its SHA-256, its number of variables.
LLM_PROMPT_TEMPLATE = "otel_llm.prompt.template"
LLM_PROMPT_TEMPLATE_HASH = "otel_llm.prompt.template.hash"
LLM_PROMPT_VARIABLES_COUNT = "otel_llm.prompt.variables.count"
#: The label, such as ``production``, by which the prompt was requested.
LLM_PROMPT_LABEL = "otel_llm.prompt.label"
#: What LangChain knows about a run. The metadata are those of the application, as JSON.
LLM_LANGCHAIN_RUN_ID = "otel_llm.langchain.run_id"
LLM_LANGCHAIN_RUN_NAME = "otel_llm.langchain.run_name"
LLM_LANGCHAIN_TAGS = "otel_llm.langchain.tags"
LLM_LANGCHAIN_METADATA = "otel_llm.langchain.metadata"
LLM_LANGCHAIN_NODE = "otel_llm.langchain.node"
#: Whether the answer came from LangChain's cache, so that no model was called.
LLM_LANGCHAIN_CACHED = "otel_llm.langchain.cached"
#: Whether the run waits for a person: a LangGraph interrupt, which is not an error.
LLM_LANGCHAIN_INTERRUPTED = "otel_llm.langchain.interrupted"
#: Tags and metadata of the application.
LLM_TAGS = "otel_llm.tags"
LLM_METADATA_PREFIX = "otel_llm.metadata."
#: The experiment that an inference is part of, and the variant that it was assigned.
LLM_EXPERIMENT_ID = "otel_llm.experiment.id"
LLM_EXPERIMENT_VARIANT = "otel_llm.experiment.variant"
#: Input and output of a step of the application (content).
LLM_STEP_INPUT = "otel_llm.step.input"
LLM_STEP_OUTPUT = "otel_llm.step.output"
#: The prompt that a step makes. The conventions define their names for inferences only.
LLM_PROMPT_NAME = "otel_llm.prompt.name"
LLM_PROMPT_VERSION = "otel_llm.prompt.version"
#: Set on the spans of a trace that is sampled for evaluation, and the rate by which it was.
LLM_EVAL_SAMPLED = "otel_llm.eval.sampled"
LLM_EVAL_RATE = "otel_llm.eval.rate"
#: Set on the metrics of the evaluation sampler: the outcome of a trace or an item, and the rule or the reason.
LLM_EVAL_OUTCOME = "otel_llm.eval.outcome"
LLM_EVAL_REASON = "otel_llm.eval.reason"
#: Where a verdict comes from, by the leaf names of the conventions' open proposal: what evaluated, in which revision of
#: its prompt, schema and thresholds, and the mechanism that decided (``llm_judge``, ``code`` or ``human_feedback``).
LLM_EVALUATION_EVALUATOR_ID = "otel_llm.evaluation.evaluator.id"
LLM_EVALUATION_EVALUATOR_VERSION = "otel_llm.evaluation.evaluator.version"
LLM_EVALUATION_EVALUATOR_TYPE = "otel_llm.evaluation.evaluator.type"
#: The range of the score, such as ``0-1`` or ``1-5``: scores of different scales can't be compared.
LLM_EVALUATION_SCALE = "otel_llm.evaluation.scale"
#: Whether the result meets the evaluator's threshold.
LLM_EVALUATION_PASSED = "otel_llm.evaluation.passed"
#: The model that judged, the trace of its calls, and whether the item was too long to be shown to it as a whole.
LLM_EVALUATION_JUDGE_MODEL = "otel_llm.evaluation.judge.model"
LLM_EVALUATION_JUDGE_TRACE_ID = "otel_llm.evaluation.judge.trace_id"
LLM_EVALUATION_JUDGE_CRITERIA = "otel_llm.evaluation.judge.criteria"
LLM_EVALUATION_TRUNCATED = "otel_llm.evaluation.truncated"
#: What an item lacks that an evaluator needs.
LLM_EVALUATION_LACKING = "otel_llm.evaluation.lacking"
#: What must not be, such as ``hallucination>0.05``.
LLM_EVALUATION_BOUND = "otel_llm.evaluation.bound"

# --- guardrails: names of the conventions' open draft -----------------------------------------
GUARDRAIL_COMPONENT_NAME = "gen_ai.guardrail.component.name"
GUARDRAIL_RESULT_TYPE = "gen_ai.guardrail.result.type"
GUARDRAIL_RESULT_VALUE = "gen_ai.guardrail.result.value"
GUARDRAIL_RESULT_REASON = "gen_ai.guardrail.result.reason"
#: What was checked: ``input``, ``output``, ``tool_input`` or ``tool_output``.
GUARDRAIL_SOURCE = "gen_ai.guardrail.source"
GUARDRAIL_RISK_CATEGORY = "gen_ai.guardrail.risk.category"
GUARDRAIL_RISK_SCORE = "gen_ai.guardrail.risk.score"
GUARDRAIL_POLICY_ID = "gen_ai.guardrail.policy.id"
GUARDRAIL_POLICY_VERSION = "gen_ai.guardrail.policy.version"
GUARDRAIL_POLICY_RULE_ID = "gen_ai.guardrail.policy.rule.id"
# Content: recorded only if content is captured.
GUARDRAIL_CONTENT_INPUT = "gen_ai.guardrail.content.input.value"
GUARDRAIL_CONTENT_OUTPUT = "gen_ai.guardrail.content.output.value"
APPLY_GUARDRAIL = "apply_guardrail"
EVENT_GUARDRAIL_RESULT = "gen_ai.guardrail.result"
METRIC_LLM_GUARDRAIL_RESULTS = "otel_llm.guardrail.results"
METRIC_LLM_GUARDRAIL_DURATION = "otel_llm.guardrail.duration"

# --- values --------------------------------------------------------------------------------
CHAT = "chat"
TEXT_COMPLETION = "text_completion"
GENERATE_CONTENT = "generate_content"
EMBEDDINGS = "embeddings"
FETCH_RESPONSE = "fetch_response"
RETRIEVAL = "retrieval"
EXECUTE_TOOL = "execute_tool"
INVOKE_AGENT = "invoke_agent"
INVOKE_WORKFLOW = "invoke_workflow"
#: Where the amount of a cost comes from: the response, or prices known here.
COST_FROM_PROVIDER = "provider"
COST_LOCAL = "local"
#: Our operations that bring a verdict to the trace that was judged.
EVALUATE = "evaluate"
FEEDBACK = "feedback"
#: Our operation around the calls of a judge.
JUDGE = "judge"
#: Operations in which a model generates an answer. Only these are in the inference metrics.
INFERENCE_OPERATIONS = frozenset({CHAT, TEXT_COMPLETION, GENERATE_CONTENT})

# --- events --------------------------------------------------------------------------------
EVENT_OPERATION_DETAILS = "gen_ai.client.inference.operation.details"
EVENT_OPERATION_EXCEPTION = "gen_ai.client.operation.exception"
EVENT_EVALUATION_RESULT = "gen_ai.evaluation.result"

# --- metrics: the released generation ------------------------------------------
METRIC_OPERATION_DURATION = "gen_ai.client.operation.duration"
METRIC_TOKEN_USAGE = "gen_ai.client.token.usage"
METRIC_OPERATION_TIME_TO_FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk"
METRIC_OPERATION_TIME_PER_OUTPUT_CHUNK = "gen_ai.client.operation.time_per_output_chunk"
METRIC_WORKFLOW_DURATION = "gen_ai.workflow.duration"

# --- metrics: the newest generation ------------------------------------------------------------
METRIC_INFERENCE_DURATION = "gen_ai.client.inference.duration"
METRIC_INFERENCE_TIME_TO_FIRST_CHUNK = "gen_ai.client.inference.time_to_first_chunk"
METRIC_INFERENCE_TIME_PER_OUTPUT_CHUNK = "gen_ai.client.inference.time_per_output_chunk"
METRIC_INFERENCE_OPERATION_INPUT_TOKENS = "gen_ai.client.inference.operation.input_tokens"
METRIC_INFERENCE_OPERATION_OUTPUT_TOKENS = "gen_ai.client.inference.operation.output_tokens"
METRIC_INFERENCE_USAGE_PREFIX = "gen_ai.client.inference.usage."
METRIC_INVOKE_WORKFLOW_DURATION = "gen_ai.invoke_workflow.duration"

# --- metrics: the same in both generations -------------------------------------------------------
METRIC_INVOKE_AGENT_DURATION = "gen_ai.invoke_agent.duration"
METRIC_INVOKE_AGENT_INFERENCE_CALLS = "gen_ai.invoke_agent.inference_calls"
METRIC_INVOKE_AGENT_TOOL_CALLS = "gen_ai.invoke_agent.tool_calls"
METRIC_EXECUTE_TOOL_DURATION = "gen_ai.execute_tool.duration"

# --- metrics: ours ----------------------------------------------------------------------
METRIC_LLM_TIME_PER_OUTPUT_TOKEN = "otel_llm.client.time_per_output_token"
METRIC_LLM_ACTIVE_CALLS = "otel_llm.client.active_calls"
METRIC_LLM_OUTPUT_TOKENS_PER_SECOND = "otel_llm.client.output_tokens_per_second"
METRIC_LLM_COST = "otel_llm.client.cost"
METRIC_LLM_UNPRICED_CALLS = "otel_llm.client.unpriced_calls"
METRIC_LLM_IDLE_COST = "otel_llm.host.idle_cost"
METRIC_LLM_CONTENT_REDACTIONS = "otel_llm.content.redactions"
METRIC_LLM_CONTENT_UPLOADS = "otel_llm.content.uploads"
METRIC_LLM_CONTENT_DROPPED = "otel_llm.content.dropped"
METRIC_LLM_EVAL_TRACES = "otel_llm.eval.traces"
METRIC_LLM_EVAL_ITEMS = "otel_llm.eval.items"
METRIC_LLM_EVAL_PENDING = "otel_llm.eval.pending"
METRIC_LLM_EVAL_EFFECTIVE_RATE = "otel_llm.eval.effective_rate"
METRIC_LLM_EVALUATION_SCORE = "otel_llm.evaluation.score"
METRIC_LLM_EVALUATION_RESULTS = "otel_llm.evaluation.results"
METRIC_LLM_EVALUATION_ERRORS = "otel_llm.evaluation.errors"
METRIC_LLM_EVALUATION_NOT_APPLICABLE = "otel_llm.evaluation.not_applicable"
METRIC_LLM_EVALUATION_JUDGE_DURATION = "otel_llm.evaluation.judge.duration"
METRIC_LLM_EVALUATION_JUDGE_TOKENS = "otel_llm.evaluation.judge.tokens"
METRIC_LLM_EVALUATION_JUDGE_COST = "otel_llm.evaluation.judge.cost"
METRIC_LLM_EVALUATION_JUDGE_UNPRICED = "otel_llm.evaluation.judge.unpriced_calls"
METRIC_LLM_EVALUATION_EVIDENCE = "otel_llm.evaluation.evidence"
METRIC_LLM_EVALUATION_ALARMS = "otel_llm.evaluation.alarms"

# --- bucket boundaries that the conventions recommend ----------------------------------------------------
DURATION_BUCKETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKEN_BUCKETS = tuple(float(4**n) for n in range(14))
AGENT_BUCKETS = tuple(0.1 * 2**n for n in range(13))
WORKFLOW_BUCKETS = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0)
CALLS_BUCKETS = tuple(float(2**n) for n in range(8))
#: Those of ``gen_ai.server.time_per_output_token``, which measures the same on the server.
TIME_PER_TOKEN_BUCKETS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
TOKENS_PER_SECOND_BUCKETS = (1.0, 2.0, 5.0, 10.0, 20.0, 35.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0)
#: Fine from 0 to 1, whole up to 10, and coarse up to 100: the scales that evaluators use.
SCORE_BUCKETS = (*(n / 10 for n in range(10)), *(float(n) for n in range(1, 11)), 25.0, 50.0, 75.0, 90.0, 100.0)
#: A check by patterns takes microseconds, one that calls a model seconds.
GUARDRAIL_BUCKETS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
