"""One instance on one machine: what `manage.py up` makes and starts, and what `manage.py down` takes away.

layout       where an instance keeps its things and what it is called on this host
network      which address range its pods get
processes    the command line of each process
supervisor   keeps the processes running (a lean program of its own: no Django)
"""
