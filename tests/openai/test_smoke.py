from __future__ import annotations


def test_a_chat_is_one_span(recorder, client, durations):
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])
    assert recorder.span.name == "chat gpt-4o-mini"
    assert durations() == []
