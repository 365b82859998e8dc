"""Whether a chain's run is an agent, a workflow or a step of one, and the attributes that every run has."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ... import guard
from ... import semconv as s
from ...config.choices import LangChainSteps
from ...content.boundary import clean_json, clean_text
from ...content.encoding import dumps
from ...core.request import AttributeValue
from . import ids

_MAX_ITEMS = 32
_MAX_TEXT = 256
_MAX_METADATA = 2048
#: Metadata that LangChain and LangGraph add, or that has its own attribute.
_THEIRS = ("ls_", "lc_", "langgraph_", "langsmith", "__")
_THEIR_KEYS = ids.KEYS | {"checkpoint_ns", "checkpoint_id", "task_id", "run_id", "revision_id"}
_HIDDEN = "langsmith:hidden"
#: Chains and graphs without a name are named after their class.
_CLASSES = ("Runnable", "Channel", "Pregel", "LangGraph", "StateGraph", "CompiledStateGraph", "Branch", "_")
#: Runnables that add only retries, fallbacks or a loop to the one runnable that they wrap.
_WRAPPERS = ("RunnableRetry", "RunnableWithFallbacks", "RunnableEach", "RunnableBinding", "RunnableConfigurable")
_COMPONENTS = (
    ("langchain_core.language_models.base", "BaseLanguageModel"),
    ("langchain_core.decisions.base", "BaseDecisionModel"),
    ("langchain_core.tools.base", "BaseTool"),
    ("langchain_core.retrievers", "BaseRetriever"),
)
_CLASS_ENDS = ("PromptTemplate", "OutputParser", "Parser")
#: Functions that ``RunnableWithMessageHistory`` wraps around a chain.
_FUNCTIONS = frozenset({"insert_history", "load_history", "check_sync_or_async"})


def agent_key(metadata: Mapping[str, Any]) -> str | None:
    """The name of the agent that a run belongs to: ``""`` if the agent has no name, ``None`` without an agent."""
    name = metadata.get("lc_agent_name")
    if isinstance(name, str):
        return name
    return "" if metadata.get("ls_integration") == "langchain_create_agent" else None


def starts_agent(key: str | None, outer: str | None, name: str | None, tags: list[str]) -> bool:
    """Whether the chain ``name`` is the agent ``key`` itself, not one of its steps. ``outer`` is the parent's agent."""
    if key is None or is_node(tags):
        return False
    return key != outer or name in (key, "LangGraph")


def is_node(tags: list[str]) -> bool:
    """Whether a run with ``tags`` is a node of a graph."""
    return any(str(tag).startswith("graph:step:") for tag in tags)


def own_name(name: str | None) -> str | None:
    """``name``, unless LangChain has chosen it."""
    if not name or name.startswith(_CLASSES) or name.endswith(_CLASS_ENDS) or name in _FUNCTIONS or _is_component(name):
        return None
    return name


def is_wrapper(name: str | None) -> bool:
    """Whether the chain ``name`` only wraps another runnable, and nobody has named it."""
    return name is not None and (name.startswith(_WRAPPERS) or _is_component(name))


@lru_cache(256)
def _is_component(name: str) -> bool:
    """Whether ``name`` is a class of models, tools or retrievers.

    The runs of these are not chains. A chain with such a name is a wrapper, for example from ``with_retry()``, which
    has the name of the class that it wraps.
    """
    pending = [kind for module, base in _COMPONENTS if (kind := getattr(sys.modules.get(module), base, None))]
    while pending:
        kind = pending.pop()
        if kind.__name__ == name:
            return True
        pending += type.__subclasses__(kind)
    return False


def is_step(steps: LangChainSteps, name: str | None, kind: str | None, tags: list[str], key: str | None) -> bool:
    """Whether an inner run gets a span, according to the setting ``steps``."""
    if steps is LangChainSteps.OFF or _HIDDEN in tags or is_wrapper(name):
        return False
    if steps is LangChainSteps.ALL:
        return True
    # The nodes of an agent (model, tools) add nothing to the spans of the model and the tools.
    return kind is None and key is None and own_name(name) is not None


def described(
    name: str | None, run_id: Any, tags: list[str] | None, metadata: Mapping[str, Any]
) -> dict[str, AttributeValue]:
    """The ``otel_llm.langchain.*`` attributes of a run, limited in size."""
    attributes: dict[str, AttributeValue] = {s.LLM_LANGCHAIN_RUN_ID: str(run_id)}
    if name:
        attributes[s.LLM_LANGCHAIN_RUN_NAME] = _short(name, s.LLM_LANGCHAIN_RUN_NAME)
    if tags and (own := ids.own_tags(tags)):
        attributes[s.LLM_LANGCHAIN_TAGS] = [_short(tag, s.LLM_LANGCHAIN_TAGS) for tag in own[:_MAX_ITEMS]]
    if isinstance(node := metadata.get("langgraph_node"), str):
        attributes[s.LLM_LANGCHAIN_NODE] = _short(node, s.LLM_LANGCHAIN_NODE)
    given = {
        key: value for key, value in metadata.items() if key not in _THEIR_KEYS and not str(key).startswith(_THEIRS)
    }
    if given and (told := _metadata(given)) is not None:
        attributes[s.LLM_LANGCHAIN_METADATA] = told
    return attributes


@guard.never_raise
def _metadata(put: Mapping[str, Any]) -> str | None:
    about = s.LLM_LANGCHAIN_METADATA
    kept: dict[str, Any] = {}
    for key, value in list(put.items())[:_MAX_ITEMS]:
        kept[_short(key, about)] = _short(value, about) if isinstance(value, str) else value
    while kept:
        told = clean_json(kept, about)
        if told is None:
            return None
        if len(told.encode()) <= _MAX_METADATA:
            return told
        kept.pop(max(kept, key=lambda key: len(dumps(kept[key]))))
    return None


def _short(value: object, attribute: str) -> str:
    return clean_text(str(value), attribute)[:_MAX_TEXT]
