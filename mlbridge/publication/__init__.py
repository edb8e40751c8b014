"""What builds publish beside a warehouse that is a file: Parquet files which people and the monitor read meanwhile."""
