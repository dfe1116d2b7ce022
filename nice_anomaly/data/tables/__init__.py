"""Tables: files and frames of rows, what their columns are, and numbers made from them."""

from nice_anomaly.data.tables.arrow import Frame, frame_in_memory
from nice_anomaly.data.tables.cells import Cells
from nice_anomaly.data.tables.chunk import Chunk, column_names
from nice_anomaly.data.tables.columns import Column, Encoded, encode, learn_columns
from nice_anomaly.data.tables.decode import decode
from nice_anomaly.data.tables.opening import is_table_file, open_tables
from nice_anomaly.data.tables.text import STDIN

__all__ = [
    "STDIN",
    "Cells",
    "Chunk",
    "Column",
    "Encoded",
    "Frame",
    "column_names",
    "decode",
    "encode",
    "frame_in_memory",
    "is_table_file",
    "learn_columns",
    "open_tables",
]
