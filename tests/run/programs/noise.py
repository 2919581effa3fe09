"""Prints what is no text, and megabytes without a line's end."""

import sys
import time

out = sys.stdout.buffer
out.write(b"latin \xe9t\xe9 \xff\xfe\x00\n")
out.write("cut inside é".encode()[:-1] + b"\n")
for _ in range(4 << 4):
    out.write(b"x" * (1 << 16))
out.write(b"\nprogress 1%\rprogress 2%\r\nlast words without end")
out.flush()
time.sleep(1.5)
