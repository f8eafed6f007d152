"""Sound, and what was said in it: decoding, cutting, transcripts, subtitles. Pure but for files.

Nothing here knows an engine, a terminal or a command; only `formats`, `system` and `errors` of
the package are imported, so that a worker and a client may both use it.
"""
