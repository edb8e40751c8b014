"""Which columns of a dbt project come from which, read off its compiled SQL."""
