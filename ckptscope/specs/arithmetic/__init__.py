"""Claims that contradict each other, by arithmetic alone.

Enters: files of claims, tables, families. Leaves: verdicts with the numbers behind them, and the
smallest change that would make a contradicting claim consistent. No checkpoint is read.

`document` reads the files, `statements` are what they say, `building` completes them to networks,
`fitting` looks for one that meets everything, `remedies` for the smallest change, `judging` puts it
together.
"""
