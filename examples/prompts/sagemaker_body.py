"""A prompt from the registry in the request to a model behind a SageMaker endpoint.

pip install "otel-llm[prompts]" boto3
"""

import json
from pathlib import Path

import boto3

from otel_llm import PromptRegistry

prompts = PromptRegistry(Path(__file__).with_name("templates"))

messages = prompts.get("twin").format(author="Ada", question="What is RAG?", context="Retrieval comes first.")
answer = boto3.client("sagemaker-runtime").invoke_endpoint(
    EndpointName="chat-llama-8b",
    ContentType="application/json",
    Body=json.dumps({"messages": messages, "max_tokens": 200, "temperature": 0.01}),
)
print(json.load(answer["Body"])["choices"][0]["message"]["content"])
