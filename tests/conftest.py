"""Time decides no test: on a busy machine an example may take as long as it takes."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("oyez", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("oyez")
