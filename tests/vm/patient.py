"""For pytest (``-p tests.vm.patient``): programs take long in an emulated machine, and longer the busier the real one is."""

from nodeagent.runtime import conmon, process

process.DEADLINE_SECONDS = 900.0
conmon.CREATE_DEADLINE_SECONDS = 900.0
