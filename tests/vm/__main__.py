import sys

from tests.vm.machine import main

raise SystemExit(main(sys.argv[1:]))
