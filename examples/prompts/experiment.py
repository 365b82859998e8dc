"""Two versions of a prompt, each for a share of the users. The calls record which one was used."""

from openai import OpenAI

import otel_llm
from otel_llm import Experiment, Prompt

GREETING = Experiment(
    "greeting",
    {
        "formal": Prompt("greet", "1", "Greet {name} formally, in one sentence."),
        "warm": Prompt("greet", "2", "Greet {name} as a friend, in one sentence."),
    },
    weights={"formal": 0.9, "warm": 0.1},
)

for user in ("user-1", "user-9"):
    with otel_llm.propagate_attributes(user_id=user):
        prompt = GREETING.assign(user)
        response = OpenAI().responses.create(model="gpt-4o-mini", input=prompt.format(name="Ada"))
        print(user, prompt.version, response.output_text)
