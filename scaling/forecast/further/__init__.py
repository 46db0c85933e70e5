"""Beyond N and D: held variables, serving, over-training, repeated data, vocabularies, bits."""
