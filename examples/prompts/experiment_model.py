"""An experiment whose variants are not prompts: `propagate_attributes` sets the variant of the calls below."""

from openai import OpenAI

import otel_llm
from otel_llm import Experiment

MODEL = Experiment("model", {"small": "gpt-4o-mini", "large": "gpt-4o"})

with otel_llm.propagate_attributes(user_id="user-1", experiment=MODEL.assignment("user-1")):
    response = OpenAI().responses.create(model=MODEL.assign("user-1"), input="What is RAG?")
    print(response.model)
