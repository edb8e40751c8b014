"""Whether an ML branch can grow on a relation of a dbt project, asked before anything is built."""
