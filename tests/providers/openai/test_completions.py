"""Legacy completions."""

from __future__ import annotations

import pytest
from reading import CONTENT, exactly, inputs, outputs

ASKED = {"model": "gpt-3.5-turbo-instruct", "prompt": "Once upon a time"}


async def test_a_completion(recorder, api, durations):
    answer = await api(
        lambda client: client.completions.create(**ASKED, max_tokens=5, temperature=0, stop=["."], seed=1, best_of=2)
    )
    assert recorder.span.name == "text_completion gpt-3.5-turbo-instruct"
    assert exactly(
        recorder.attributes,
        {
            "gen_ai.operation.name": "text_completion",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-3.5-turbo-instruct",
            "gen_ai.request.max_tokens": 5,
            "gen_ai.request.temperature": 0.0,
            "gen_ai.request.seed": 1,
            "gen_ai.request.stop_sequences": (".",),
            "server.address": "127.0.0.1",
            "gen_ai.response.id": answer.id,
            "gen_ai.response.model": answer.model,
            "gen_ai.response.finish_reasons": ("length",),
            "openai.response.system_fingerprint": "fp_44709d6fcb",
            "gen_ai.usage.input_tokens": answer.usage.prompt_tokens,
            "gen_ai.usage.output_tokens": 5,
        },
    )
    assert durations() == []


@pytest.mark.parametrize("streamed", [False, True])
async def test_several_prompts_and_choices(recorder, api, streamed):
    recorder.instrument(CONTENT)
    asked = {**ASKED, "prompt": ["One", "Two"], "n": 2, "stream": streamed}
    if streamed:
        chunks = await api.drain(lambda client: client.completions.create(**asked))
        said = ["".join(c.choices[0].text for c in chunks if c.choices[0].index == index) for index in range(4)]
    else:
        answer = await api(lambda client: client.completions.create(**asked))
        said = [choice.text for choice in answer.choices]
    assert inputs(recorder) == [
        {"role": "user", "parts": [{"type": "text", "content": "One"}]},
        {"role": "user", "parts": [{"type": "text", "content": "Two"}]},
    ]
    assert recorder.attributes["gen_ai.request.choice.count"] == 2
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("length",) * 4
    assert [message["parts"] for message in outputs(recorder)] == [[{"type": "text", "content": one}] for one in said]


async def test_a_stream_with_its_usage(recorder, api):
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = await api.drain(lambda client: client.completions.create(**ASKED, **options))
    assert recorder.attributes["gen_ai.usage.output_tokens"] == chunks[-1].usage.completion_tokens
    assert recorder.attributes["gen_ai.response.finish_reasons"] == ("length",)
    assert recorder.attributes["gen_ai.request.stream"] is True


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("Hi", ["Hi"]),
        ([15496, 11], ["[15496,11]"]),
        ([[15496, 11], [995]], ["[15496,11]", "[995]"]),
    ],
)
def test_prompts_of_tokens(recorder, client, prompt, parts):
    recorder.instrument(CONTENT)
    client.completions.create(model="gpt-3.5-turbo-instruct", prompt=prompt)
    assert [message["parts"][0]["content"] for message in inputs(recorder)] == parts
    assert len(recorder.attributes["gen_ai.response.finish_reasons"]) == len(parts)
