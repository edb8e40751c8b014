"""The model card of a version: what it says, and how that is written as Markdown and as HTML."""
