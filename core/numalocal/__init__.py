"""The functional core: machines, CPU sets and what a worker on them is told.

Data flows one way through these modules, lowest first:

    idset, names, quantity, problems, errors   values that everything speaks
    sysfs -> discovery -> machine              what this machine is
    pools -> partition -> cpusets              how it is cut
    preference -> assignment -> engine         what a worker gets and is told
    worker                                     what a worker asks for
    binder, observation, launch, screen, cli   the same work on a bare machine
"""
