"""The report of a study: it receives measurements as data and writes one page and a model card."""
