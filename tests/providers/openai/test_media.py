"""Images and audio: ``generate_content``, told apart by ``otel_llm.operation.name``."""

from __future__ import annotations

import io

import pytest
from either import needs
from reading import CONTENT, exactly, inputs, outputs, usage
from replies import PIXEL, PIXEL_DESCRIBED

from standin.server import Reply

SAID = "The quick brown fox jumps over the lazy dog."
PICTURE = {"type": "blob", "modality": "image", "mime_type": "image/png", **PIXEL_DESCRIBED}


def picture():
    return ("a.png", io.BytesIO(b"png"), "image/png")


def sound():
    return ("a.wav", io.BytesIO(b"RIFF"), "audio/wav")


def made(operation, kind, model, **more):
    return {
        "gen_ai.operation.name": "generate_content",
        "otel_llm.operation.name": operation,
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "gen_ai.output.type": kind,
        "server.address": "127.0.0.1",
        **more,
    }


async def test_image_generation(recorder, api, durations):
    await api(lambda client: client.images.generate(model="gpt-image-1", prompt="A cat", n=2, size="1024x1024"))
    assert recorder.span.name == "generate_content gpt-image-1"
    counted = {"gen_ai.usage.input_tokens": 2, "gen_ai.usage.text.input_tokens": 2, "gen_ai.usage.output_tokens": 544}
    more = {"gen_ai.request.choice.count": 2, **counted}
    assert exactly(recorder.attributes, made("image_generation", "image", "gpt-image-1", **more))
    assert durations() == []


async def test_image_edit(recorder, api):
    await api(lambda client: client.images.edit(model="gpt-image-1", image=picture(), prompt="A hat"))
    assert recorder.attributes["otel_llm.operation.name"] == "image_edit"
    assert usage(recorder.attributes) == {
        "input_tokens": 196,
        "text.input_tokens": 2,
        "image.input_tokens": 194,
        "output_tokens": 272,
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_image_variation(recorder, api):
    await api(lambda client: client.images.create_variation(model="dall-e-2", image=picture(), n=1))
    assert exactly(recorder.attributes, made("image_variation", "image", "dall-e-2"))


def test_images_as_content(recorder, client):
    recorder.instrument(CONTENT)
    client.images.generate(model="gpt-image-1", prompt="A cat", n=2)
    assert inputs(recorder) == [{"role": "user", "parts": [{"type": "text", "content": "A cat"}]}]
    assert outputs(recorder) == [{"role": "assistant", "parts": [PICTURE, PICTURE], "finish_reason": "unknown"}]
    recorder.span_exporter.clear()
    answer = client.images.generate(model="dall-e-3", prompt="A cat")
    link = {"type": "uri", "modality": "image", "uri": answer.data[0].url}
    assert outputs(recorder)[0]["parts"] == [link]


@pytest.mark.parametrize("edits", [False, True])
async def test_images_that_are_streamed(recorder, api, edits):
    recorder.instrument(CONTENT)
    needs(api.client.images.generate, "stream")
    asked = {"model": "gpt-image-1", "prompt": "A cat", "stream": True, "partial_images": 2}

    def call(client):
        return client.images.edit(image=picture(), **asked) if edits else client.images.generate(**asked)

    events = await api.drain(call)
    assert [event.b64_json for event in events] == [PIXEL] * 3
    assert recorder.attributes["gen_ai.request.stream"] is True
    assert recorder.attributes["gen_ai.response.time_to_first_chunk"] > 0
    assert recorder.attributes["gen_ai.usage.output_tokens"] == 272
    assert outputs(recorder)[0]["parts"] == [PICTURE]
    (gaps,) = recorder.points("gen_ai.client.operation.time_per_output_chunk")
    assert gaps.count == 2


async def test_speech(recorder, api, durations):
    recorder.instrument(CONTENT)
    asked = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Hello"}
    asked["extra_body"] = {"instructions": "Whisper."}
    answer = await api(lambda client: client.audio.speech.create(**asked))
    assert answer.content.startswith(b"standin-sound-0000")
    given = recorder.attributes
    assert inputs(recorder) == [{"role": "user", "parts": [{"type": "text", "content": "Hello"}]}]
    assert given.pop("gen_ai.system_instructions") == '[{"type":"text","content":"Whisper."}]'
    del given["gen_ai.input.messages"]
    assert given["otel_llm.request.id"].startswith("req_")
    assert exactly(given, made("speech", "speech", "gpt-4o-mini-tts"))
    assert durations() == []


async def test_speech_as_it_is_read(recorder, api, durations):
    asked = {"model": "tts-1", "voice": "alloy", "input": "Hello"}
    async with api.entered(lambda client: client.audio.speech.with_streaming_response.create(**asked)) as answer:
        pieces = [part async for part in answer.iter_bytes()] if api.is_async else list(answer.iter_bytes())
        assert b"".join(pieces).startswith(b"standin-sound-0000")
    assert exactly(recorder.attributes, made("speech", "speech", "tts-1"))
    assert durations() == []


async def test_speech_as_events(recorder, api):
    needs(api.client.audio.speech.create, "stream_format")
    asked = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Hello", "stream_format": "sse"}
    async with api.entered(lambda client: client.audio.speech.with_streaming_response.create(**asked)) as answer:
        lines = [line async for line in answer.iter_lines()] if api.is_async else list(answer.iter_lines())
    assert any("speech.audio.done" in line for line in lines)
    assert recorder.attributes["gen_ai.usage.output_tokens"] > 0
    assert recorder.attributes["gen_ai.request.stream"] is True


@pytest.mark.parametrize("form", ["json", "text", "verbose_json", "srt"])
async def test_transcription(recorder, api, durations, form):
    recorder.instrument(CONTENT)
    asked = {"model": "gpt-4o-transcribe", "response_format": form, "temperature": 0.2, "prompt": "Fox."}
    answer = await api(lambda client: client.audio.transcriptions.create(file=sound(), **asked))
    assert SAID in (answer if isinstance(answer, str) else answer.text)
    given = recorder.attributes
    assert inputs(recorder) == [{"role": "user", "parts": [{"type": "text", "content": "Fox."}]}]
    assert SAID in outputs(recorder)[0]["parts"][0]["content"]
    assert given["gen_ai.request.temperature"] == 0.2
    assert (given["otel_llm.operation.name"], given["gen_ai.output.type"]) == ("transcription", "text")
    if "json" in form:
        assert usage(given) == {"input_tokens": 30, "audio.input_tokens": 30, "output_tokens": 11}
    assert durations() == []


async def test_a_transcription_that_is_streamed(recorder, api):
    recorder.instrument(CONTENT)
    needs(api.client.audio.transcriptions.create, "stream")
    asked = {"model": "gpt-4o-mini-transcribe", "stream": True}
    events = await api.drain(lambda client: client.audio.transcriptions.create(file=sound(), **asked))
    assert events[-1].text == SAID
    assert recorder.attributes["gen_ai.request.stream"] is True
    assert usage(recorder.attributes) == {"input_tokens": 30, "audio.input_tokens": 30, "output_tokens": 11}
    assert outputs(recorder)[0]["parts"] == [{"type": "text", "content": SAID}]


def test_a_transcription_that_is_billed_by_the_second_has_no_tokens(recorder, client):
    client.audio.transcriptions.create(model="whisper-1", file=sound())
    assert usage(recorder.attributes) == {}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_translation(recorder, api):
    await api(lambda client: client.audio.translations.create(model="whisper-1", file=sound()))
    assert exactly(recorder.attributes, made("translation", "text", "whisper-1"))


@pytest.mark.parametrize("status", [400, 500])
def test_errors(recorder, client, server, status):
    server.reply_with(Reply(status=status, body={"error": {"message": "no", "code": "moderation_blocked"}}))
    with pytest.raises(Exception, match="no"):
        client.images.generate(model="gpt-image-1", prompt="A cat")
    assert recorder.attributes["otel_llm.error.code"] == "moderation_blocked"
    assert recorder.attributes["otel_llm.error.status_code"] == status
