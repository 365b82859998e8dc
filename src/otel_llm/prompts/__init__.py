"""Prompts: templates with a name and a version, experiments, and the links from a text to its prompt."""

from .linking import PromptText, behind, known
from .use import PromptUse, Template

__all__ = ["PromptText", "PromptUse", "Template", "behind", "known"]
