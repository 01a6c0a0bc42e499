"""`python -m taxoscape.aam`: the command line of the stage."""

from taxoscape.aam.cli import main

main()
