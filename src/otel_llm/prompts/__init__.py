"""Prompts: templates with a name and a version, and the way from the words they make to the inference these lead to."""

from .linking import PromptText, behind, known, latest, link
from .use import PromptUse, Template

__all__ = ["PromptText", "PromptUse", "Template", "behind", "known", "latest", "link"]
