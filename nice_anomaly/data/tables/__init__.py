"""Tables: files and frames of rows, what their columns are, and numbers made from them."""

from nice_anomaly.data.tables.arrow import Frame, frame_in_memory
from nice_anomaly.data.tables.cells import Cells
from nice_anomaly.data.tables.chunk import Chunk, column_names
from nice_anomaly.data.tables.columns import Column, Encoded, encode
from nice_anomaly.data.tables.database import Query, query_of
from nice_anomaly.data.tables.deciding import learn_column, learn_columns
from nice_anomaly.data.tables.decode import decode, written
from nice_anomaly.data.tables.dialect import ANY, Dialect, DialectWords, Written
from nice_anomaly.data.tables.opening import Table, is_table_file, open_tables, unheard
from nice_anomaly.data.tables.packed import STDIN, may_be_pipe

__all__ = [
    "ANY",
    "STDIN",
    "Cells",
    "Chunk",
    "Column",
    "Dialect",
    "DialectWords",
    "Encoded",
    "Frame",
    "Query",
    "Table",
    "Written",
    "column_names",
    "decode",
    "encode",
    "frame_in_memory",
    "is_table_file",
    "learn_column",
    "learn_columns",
    "may_be_pipe",
    "open_tables",
    "query_of",
    "unheard",
    "written",
]
