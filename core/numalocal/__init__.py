"""The functional core: machines, CPU sets and what a worker on them is told.

Data flows one way through these rooms, lowest first:

    idset, quantity, fields, names, ...  values and words that everything speaks
    machine                              /sys and /proc -> Machine
    sets                                 Machine and pools -> CPU sets -> what one container gets
    engines, pictures                    what an engine is told; what people are shown
    worker                               a document -> Worker -> the job of its engine
    host                                 the same work on a machine without a cluster
    commands, cli                        the command line
"""
