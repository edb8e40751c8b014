"""The dbt project that a command works on."""
