"""What all tests share."""

from hypothesis import HealthCheck, settings

# How fast inputs are drawn says something of the machine and nothing of Burnish: on a fresh clone
# the first draw of any text builds the table of characters.
settings.register_profile(
    "burnish", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("burnish")
