"""By whom the sources of each importer are written, by the importer's name."""

from batteries import log_writers, written_tables

WRITERS = {**log_writers.WRITERS, **written_tables.WRITERS}
