"""The console: one read-only page from the exporter's facts, made by `jobs.exporter` for each request.

The exporter's image has no template engine, so the page is a tree of elements that the standard library writes.
"""
