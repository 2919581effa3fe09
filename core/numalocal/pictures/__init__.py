"""Pictures of a machine and its CPU sets: text for a terminal, SVG for a talk.

| module | what |
| --- | --- |
| cells.py | what every core is: shared, of a free set, of a used set |
| terminal.py | the picture in a terminal |
| tables.py | the terminal's tables: sets, distances, findings |
| layout.py | the drawing's boxes: pure geometry |
| svg.py | the drawing |
"""
