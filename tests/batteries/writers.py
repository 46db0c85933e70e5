"""By whom the sources of each importer are written, by the importer's name."""

from batteries import log_writers, tracker_writers, written_tables

WRITERS = {**log_writers.WRITERS, **tracker_writers.WRITERS, **written_tables.WRITERS}
# What these read holds no training: tests of their own.
NO_TRAINING = {"lm-eval"}
