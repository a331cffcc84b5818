"""`python -m burnish` is the command `burnish`."""

from burnish.cli.main import main

main()
