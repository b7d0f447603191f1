"""A plugin of pytest for `just mutants`: laws are tried as often as in `just soak`, and a failure is not made small."""

from hypothesis import Phase, settings
from support.repetitions import Soak

Soak.is_on = True

settings.register_profile("without shrinking", phases=[Phase.explicit, Phase.generate])
settings.load_profile("without shrinking")
