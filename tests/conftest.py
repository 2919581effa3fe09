"""Settings of all tests."""

from hypothesis import settings

# A machine that is busy with other things is slow now and then; that is no failure.
settings.register_profile("numalocal", deadline=None)
settings.load_profile("numalocal")
