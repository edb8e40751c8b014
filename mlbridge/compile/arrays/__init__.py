"""The same nodes that become a SELECT, computed by numpy over the columns of some rows."""
