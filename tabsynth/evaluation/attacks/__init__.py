"""What does the synthetic table give away about those who were used to make it? One attack a file."""
