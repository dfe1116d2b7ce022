"""Tables: files of rows, what their columns are, and rows of numbers made from them."""

from nice_anomaly.data.tables.columns import Column, Encoded, encode, learn_columns
from nice_anomaly.data.tables.files import Chunk, is_table_file, open_tables

__all__ = [
    "Chunk",
    "Column",
    "Encoded",
    "encode",
    "is_table_file",
    "learn_columns",
    "open_tables",
]
