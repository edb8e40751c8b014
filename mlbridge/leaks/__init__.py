"""What looks like a leak among the rows and columns of a training."""
