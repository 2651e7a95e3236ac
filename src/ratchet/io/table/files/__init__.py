"""Where a table lies and how it is stored: file systems, CSV, Parquet, and tables with a log."""
