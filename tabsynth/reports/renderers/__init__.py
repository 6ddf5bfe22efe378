"""Views of a document, one renderer a file: each has ``FACTS`` and a function ``render(document) -> str``."""
