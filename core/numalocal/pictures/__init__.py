"""Pictures of a machine and its CPU sets: text for a terminal, SVG for a talk.

| module | what |
| --- | --- |
| cells.py | what every core is: shared, of a free set, of a used set |
| sections.py | which nodes stand together, and what each of them shows |
| words.py | words and numbers as both pictures write them |
| distances.py | how far nodes are from each other |
| terminal.py | the picture in a terminal |
| lines.py | a node's line in the terminal |
| blocks.py | the terminal's characters: one for each core, and the legend |
| tables.py | the terminal's table of sets |
| ink.py, plain.py | the terminal's colours, and its characters where it has ASCII alone |
| columns.py | tables that keep within a terminal's width |
| svg.py | the drawing |
| plot.py | measurements: lines over axes, and a matrix |
| boxes.py, scale.py, layout.py | where everything is in the drawing: pure geometry |
| cards.py | a node's card in the drawing |
| foot.py | the drawing's legend, distances and findings |
| shapes.py | the drawing's elements and colours |
"""
