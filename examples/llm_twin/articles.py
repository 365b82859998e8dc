"""What the author has written: stands for the vector database of a real application."""

from __future__ import annotations

from langchain_core.documents import Document

ARTICLES = [
    Document(id=f"article-{number}", page_content=f"{title}: {body}", metadata={"title": title, "platform": platform})
    for number, (title, platform, body) in enumerate(
        [
            ("Chunking that respects meaning", "blog", "Split where topics change; overlap costs tokens, buys recall."),
            ("Rerank before you generate", "blog", "A cross-encoder over thirty hits beats ten hits as they come."),
            ("Judges for faithfulness", "newsletter", "Let a second model check each claim against the passages."),
            ("Fine-tuning a writing style", "blog", "A few hundred good examples fix tone; facts belong in context."),
            ("Serving on a budget", "newsletter", "Batch what can wait, cache prefixes, watch the first token."),
            ("Prompts under version control", "blog", "A template without a version is a rumour about your product."),
        ],
        1,
    )
]
