"""The first example of a property may import scipy.stats: no deadline for single examples."""

from hypothesis import settings

settings.register_profile("abkit", deadline=None)
settings.load_profile("abkit")
