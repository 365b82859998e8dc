"""A stand-in for a model provider: a real HTTP server on a free local port, standard library only.

| file          | what it holds                                                               |
|---------------|-----------------------------------------------------------------------------|
| `server.py`   | `Server`: any protocol, scripted; re-exports what `wire.py` holds           |
| `wire.py`     | `Reply`, `Request`, `Gate`, `sse()`                                         |
| `openai.py`   | `OpenAIServer`: the OpenAI (and Azure OpenAI) routes, errors, command line  |
| `chat.py`     | chat completions and the older completions                                  |
| `responses.py`| the Responses API: create, stream, background, retrieve, cancel             |
| `sagemaker.py` | `SageMakerServer`: endpoints of the usual containers; `eventstream.py` frames streams |
| `media.py`    | embeddings, images, audio, moderations, batches                             |
| `text.py`     | deterministic answers, token counts, JSON that fits a schema                |

    with OpenAIServer() as server:
        client = openai.OpenAI(base_url=server.base_url, api_key="any")
        server.reply_with(Reply(status=500, body={"error": {"message": "no"}}))   # the next request only
        ...
        server.requests[-1].json["model"]

From a shell, with `examples/` on the path: `python -m standin.openai --port 8080 --latency 1`.
"""
