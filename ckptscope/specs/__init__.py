"""What papers and people say, and whether it can be true.

Enters: tables of claims, architectures. Leaves: comparisons of files with rows, and verdicts on
claims by arithmetic alone.
"""
