"""Does an analysis of the synthetic table give the answer of the real one? One measure a file."""
