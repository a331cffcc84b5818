"""What all tests share."""

import os

from hypothesis import HealthCheck, settings

# No test leaves tokens of its texts in the home of who runs it; those about the cache turn it on.
os.environ.setdefault("BURNISH_TOKEN_CACHE", "off")

# How fast inputs are drawn says something of the machine and nothing of Burnish: on a fresh clone
# the first draw of any text builds the table of characters.
settings.register_profile(
    "burnish", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("burnish")
