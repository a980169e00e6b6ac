"""`python -m edge6g`: the command line."""

from edge6g import main

main()
