"""The formats that tables of runs come in, each read in pieces of rows: `frame.py` says as what."""
