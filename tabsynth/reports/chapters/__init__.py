"""The chapters of a report, one file each: what a reader finds in them, made from the document alone.

Each file holds ``chapter(reading) -> Chapter``; `outline.ORDER` says in which order they stand. Their numbers are the
same in every class of report, so that two readers of one release can name a place to each other: a chapter that a
class keeps back says so.
"""
