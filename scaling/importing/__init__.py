"""From what a reader hands over to a run table: mapping, units, merging, and an account.

`import_runs(["runs/*.csv"], Asked(maps={"N": "params"}))` gives the table and its account.
"""

from scaling.importing.rows import Asked as Asked
from scaling.importing.whole import Imported as Imported
from scaling.importing.whole import import_runs as import_runs
