"""What a scenario may name: the devices and models of the package, the user's profiles, and rows of the scenario's own before them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from edge6g_env.costs import tables
from edge6g_env.costs.quality import metrics, quality
from edge6g_env.costs.specs import DeviceSpec, ModelSpec


class Catalog:
    """Devices and models by name; own ones belong to this catalog alone and stand in place of others with their names."""

    def __init__(self, devices: Iterable[DeviceSpec] = (), models: Iterable[ModelSpec] = ()) -> None:
        self.own_devices = {spec.name: spec for spec in devices}
        self.own_models = {spec.name: spec for spec in models}

    def device(self, name: str) -> DeviceSpec:
        """The device of a name, or of the path of a profile; raises as costs.device, with close names of own ones too."""
        try:
            return self.own_devices.get(name) or tables.device(name)
        except tables.UnknownNameError:
            raise tables.unknown("device", name, self.devices) from None

    def model(self, name: str) -> ModelSpec:
        """The model of a name; UnknownNameError with close names if there is none."""
        try:
            return self.own_models.get(name) or tables.model(name)
        except tables.UnknownNameError:
            raise tables.unknown("model", name, self.models) from None

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of all devices: own ones, rows of devices.csv, profiles."""
        return tuple(dict.fromkeys((*self.own_devices, *tables.devices())))

    @property
    def models(self) -> tuple[str, ...]:
        """Names of all models: own ones, then rows of models.csv and moe.csv."""
        return tuple(dict.fromkeys((*self.own_models, *tables.models())))

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Metrics by which some model has a score, "primary" first."""
        own = (metric for spec in self.own_models.values() if spec.own for metric in spec.own.scores)
        return tuple(dict.fromkeys((*metrics(), *own)))

    def quality(self, name: str, precision: str = "fp16") -> float:
        """costs.quality of a model, beside the own ones."""
        return quality(self.model(name), precision, beside=self.own_models.values())
