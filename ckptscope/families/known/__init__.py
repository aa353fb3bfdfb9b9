"""The families that come along, one module each; none knows another."""
