"""Random damage, by the million: `python -m tests.fuzz`; a bounded part runs with the tests."""
