"""`python -m ckptscope`: the same program."""

from ckptscope.cli.app import main

main()
