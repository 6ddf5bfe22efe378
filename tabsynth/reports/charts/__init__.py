"""Charts of a report: one specification each, made from the document alone, drawn by every rendering.

One file is one kind of chart, found by the registry; `chart` collects them, `render` draws them.
"""
