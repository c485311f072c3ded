"""A folder of Parquet files with the history of symbols, kept up to date with the server."""
