"""For pytest (``-p tests.vm.patient``): programs take long in an emulated machine, and longer the busier the real one is."""

from nodeagent.runtime import process

process.DEADLINE_SECONDS = 300.0
