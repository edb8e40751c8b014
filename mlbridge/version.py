"""The version of the package; the dbt package of a host must have the same."""

__version__ = "0.17.0"
