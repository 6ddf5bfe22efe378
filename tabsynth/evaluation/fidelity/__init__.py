"""Does the synthetic table look like people who were not used to make it? One measure a file."""
