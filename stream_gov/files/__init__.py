"""Files: tables of rows, the state directory, generated schemas."""

from __future__ import annotations

from stream_gov.files.state_directory import BrokerNote, StateDirectory
from stream_gov.files.table_mapping import TableColumns, TableMapping
from stream_gov.files.tabular import TabularFile, build_reference, column_types, iter_events

__all__ = [
    "BrokerNote",
    "StateDirectory",
    "TableColumns",
    "TableMapping",
    "TabularFile",
    "build_reference",
    "column_types",
    "iter_events",
]
