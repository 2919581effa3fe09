"""Random faults on the lab, and whether everything comes back; `make faults`.

    kinds, planning       which faults there are, and in which order a seed draws them
    kernel, cluster       what the node's kernel and the API server say
    judging               what of it is wrong
    population            the workers, and an ordinary pod, that must survive
    control_plane, machine, runtime, workloads   what each kind does
    injecting             the table of all of them
    running, reporting    one fault after the other: a line each, and a table in the end

Planning, judging and reporting are pure, and tested in tests/lab/faults.
"""
