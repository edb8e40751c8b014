"""What `mlbridge graft` writes into a project, and what `mlbridge ungraft` takes away again."""
