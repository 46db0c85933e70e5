"""By whom the sources of each importer are written, by the importer's name."""

from batteries import log_writers

WRITERS = {**log_writers.WRITERS}
