"""`python -m einnet`: the command line, for environments whose scripts are not on the path."""

import sys

from einnet.cli import main

sys.exit(main())
