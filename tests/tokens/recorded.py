"""Exchanges with OpenAI's API as public recordings have them, with the tokens that the API counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

HELPFUL = {"role": "system", "content": "You are a helpful assistant."}


def asked(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def called(*calls: tuple[str, str]) -> dict[str, Any]:
    """An answer that calls tools, each by a name and its arguments."""
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for number, (name, arguments) in enumerate(calls)
        ],
    }


def result(text: str, number: int = 0) -> dict[str, Any]:
    return {"role": "tool", "content": text, "tool_call_id": f"call_{number}"}


def tool(name: str, description: str = "", **fields: str) -> dict[str, Any]:
    """A tool with arguments that are texts, each with its description."""
    properties = {
        field: {"type": "string", "description": about} if about else {"type": "string"}
        for field, about in fields.items()
    }
    schema = {"type": "object", "properties": properties, "required": list(fields), "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


@dataclass(frozen=True)
class Exchange:
    """``given`` and ``came`` are the tokens by the provider's count."""

    model: str
    messages: list[dict[str, Any]]
    answers: list[dict[str, Any]]
    given: int
    came: int
    tools: tuple[dict[str, Any], ...] = ()


MINI, GPT_4O, TURBO = "gpt-4o-mini-2024-07-18", "gpt-4o-2024-08-06", "gpt-35-turbo"
TEST = [asked("Say this is a test")]
CITIES = [
    {"role": "system", "content": "You're a helpful assistant."},
    asked("What's the weather in Seattle and San Francisco today?"),
]
IN_BOTH = called(
    ("get_current_weather", '{"location": "Seattle, WA"}'), ("get_current_weather", '{"location": "San Francisco, CA"}')
)
CURRENT = tool(
    "get_current_weather",
    "Get the current weather in a given location",
    location="The city and state, e.g. Boston, MA",
)
PARIS = asked("What is the weather in Paris? Use the tool.")
IN_PARIS = called(("get_weather", '{"city":"Paris"}'))
WEATHER = tool("get_weather", city="")
TOKYO = [HELPFUL, asked("What is the temperature in Tokyo?")]
IN_TOKYO = called(("get_temperature", '{"city":"Tokyo"}'))
TEMPERATURE = tool("get_temperature", city="")

EXCHANGES = [
    Exchange(MINI, TEST, [said("This is a test.")], 12, 5),
    Exchange(MINI, TEST, [said("This is a test. How can I assist you further?")] * 2, 12, 24),
    Exchange(MINI, [asked("hello")], [said("Hello! How can I assist you today?")], 8, 9),
    Exchange(GPT_4O, [asked("hello")], [said("Hello! How can I assist you today?")], 8, 10),
    Exchange(
        GPT_4O, [HELPFUL, asked("What is the capital of France?")], [said("The capital of France is Paris.")], 24, 8
    ),
    Exchange(
        "gpt-4.1-mini-2025-04-14",
        [said("Where do you want to go today?"), asked("Answer in 5 words only. Who is Tux?")],
        [said("Linux mascot, a penguin character.")],
        31,
        8,
    ),
    Exchange(
        TURBO,
        [asked("Tell me a joke about opentelemetry")],
        [
            said(
                "Why did the Opentelemetry developer refuse to share their candy?\n\n"
                "Because they wanted to keep all the traces for themselves!"
            )
        ],
        15,
        24,
    ),
    Exchange(MINI, CITIES, [IN_BOTH], 75, 51, (CURRENT,)),
    Exchange(
        MINI,
        [*CITIES, IN_BOTH, result("50 degrees and raining"), result("70 degrees and sunny", 1)],
        [
            said(
                "Today, the weather in Seattle is 50 degrees and raining, while in San Francisco, it's 70 degrees and"
                " sunny."
            )
        ],
        99,
        25,
    ),
    Exchange(GPT_4O, [PARIS], [IN_PARIS], 48, 14, (WEATHER,)),
    Exchange(
        GPT_4O,
        [PARIS, IN_PARIS, result("sunny in Paris")],
        [said("The weather in Paris is currently sunny.")],
        74,
        9,
        (WEATHER,),
    ),
    Exchange("gpt-4.1-mini-2025-04-14", TOKYO, [IN_TOKYO], 50, 15, (TEMPERATURE,)),
    Exchange(
        "gpt-4.1-mini-2025-04-14",
        [*TOKYO, IN_TOKYO, result("20.0")],
        [said("The temperature in Tokyo is currently 20.0 degrees Celsius.")],
        75,
        15,
        (TEMPERATURE,),
    ),
]
