"""Views of a document, one renderer a file: each has ``FACTS`` and ``render(document)``, which gives text or bytes."""
