"""One document holds everything an evaluation says; HTML, text and Markdown are views of it.

Reading order: `context` (what a report is about), `model` (the document's shape, source of the published JSON
schema), `disclosure` (what each report class may show), `document` (build, validate, read back), `provenance`
(the manifest of a release folder), then `renderers`.
"""
