"""A plugin of pytest for `just mutants`: a law that fails is not made small, since only that it fails matters there."""

from hypothesis import Phase, settings

settings.register_profile("without shrinking", phases=[Phase.explicit, Phase.generate])
settings.load_profile("without shrinking")
