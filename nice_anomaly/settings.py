"""Settings: validated values, closed to unknown keys; ``config`` reads them.

The defaults are those of the configuration ``mnist`` where it says nothing else.
"""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nice_anomaly.errors import ConfigError
from nice_anomaly.vocabulary import (
    Activation,
    Gradient,
    ModelName,
    Precision,
    PriorName,
    ScoreName,
    SettingRule,
    Tail,
)

LARGEST_SHARE = 10_000
LATENTS = 100
CROSS_FITTED = 2_000  # samples: more are enough to hold some out
FEW, FOLDS, FOLDS_OF_FEW = 100, 5, 10
MOST_FOLDS = 100
NARROWEST = 16  # units of a hidden layer, however few the samples
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=0.5)]


class Section(BaseModel):
    """A group of settings: frozen, strict about types, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class DataSettings(Section):
    """Which set is normal, and how many of its training samples are held out for what.

    A held-out part is a number of samples or a share of them. With ``folds`` nothing is held out:
    that many flows learn, each from what one fold leaves; 0 is one flow, "auto" decides by the
    number of samples. Samples of one ``group_column`` are in one fold. ``rows`` is the most samples
    that are taken from a user's own input.
    """

    normal: str = "mnist"
    early_stopping: Count | Share = 2_000
    calibration: Count | Share = 10_000
    rows: int = Field(100_000, ge=2)
    folds: int | str = 0
    group_column: str | None = None

    def folds_for(self, n: int) -> int:
        """Into how many folds ``n`` samples are cut, 0 for none.

        >>> settings = DataSettings(folds="auto")
        >>> [settings.folds_for(n) for n in (30, 300, 30_000)]
        [10, 5, 0]
        """
        if isinstance(self.folds, int):
            return self.folds
        if n > CROSS_FITTED:
            return 0
        return FOLDS_OF_FEW if n <= FEW else FOLDS

    def counts(self, n: int) -> tuple[int, int]:
        """The samples for early stopping and for calibration out of ``n``.

        A share is at most 10,000 samples: more would make neither part more useful.

        >>> DataSettings(early_stopping=0.1, calibration=0.25).counts(1_000)
        (100, 250)
        """
        stop, calibrate = (
            part if isinstance(part, int) else max(2, min(LARGEST_SHARE, round(part * n)))
            for part in (self.early_stopping, self.calibration)
        )
        return stop, calibrate


class NetworkSettings(Section):
    """The networks of a model; the noise for tables.

    With ``samples_per_unit`` the hidden layers have ``width`` units only if there are that many
    samples for each, else fewer.
    """

    layers: int = Field(2, ge=1, le=32)
    width: int = Field(352, ge=1, le=65_536)
    samples_per_unit: int = Field(0, ge=0)
    activation: Activation = "silu"
    noise: float = Field(0.1, ge=0, le=1_000)

    def width_for(self, n: int) -> int:
        """The units of a hidden layer that ``n`` samples can feed.

        >>> NetworkSettings(width=128, samples_per_unit=8).width_for(400)
        50
        """
        if not self.samples_per_unit:
            return self.width
        return min(self.width, max(NARROWEST, n // self.samples_per_unit))


class FlowSettings(NetworkSettings):
    """The couplings of a flow; where its Student prior and its whitening start.

    ``emphasis`` > 0 lets the networks hear coordinates of large variance louder, by that power.
    ``components`` are the most that a mixture prior gets; it has one for every 50 samples.
    """

    couplings: int = Field(6, ge=1, le=256)
    prior: PriorName = "grouped-student"
    components: int = Field(32, ge=1, le=1024)
    degrees_of_freedom: float = Field(30.0, gt=2)
    eigenvalue_floor: float = Field(1e-5, ge=0)
    emphasis: float = Field(0.3, ge=0, le=1)


class VAESettings(NetworkSettings):
    """A VAE. Scores are VLB^(K) of K ``draws``; ``sigma`` null is learned, as is the prior.

    Without ``latents`` there are 100, and at most half as many as columns.
    """

    width: int = Field(512, ge=1, le=65_536)
    samples_per_unit: int = Field(8, ge=0)
    latents: Count | None = None
    draws: int = Field(64, ge=1, le=100_000)
    sigma: float | None = Field(None, ge=1e-4, le=1e4)
    trainable_prior: bool = True

    def latents_for(self, dimensions: int) -> int:
        """How many latents samples of ``dimensions`` columns get.

        Raises:
            ConfigError: more than a model of fewer latents than columns can have.

        >>> VAESettings().latents_for(784), VAESettings().latents_for(9)
        (100, 4)
        """
        if dimensions < 2:
            raise ConfigError(
                "a VAE needs latents fewer than columns, and this input has a single column: "
                "take the flow, `overrides=['model=nice']`."
            )
        usual = min(LATENTS, dimensions // 2)
        if self.latents is not None and self.latents >= dimensions:
            raise ConfigError(
                f"vae.latents = {self.latents} is too wide for samples of {dimensions} columns: a "
                f"VAE says with fewer numbers what many say. Take "
                f"`overrides=['vae.latents={usual}']`."
            )
        return self.latents or usual


class TrainSettings(Section):
    """How the likelihood is maximised; ``head_learning_rate`` is that of scale and prior.

    An epoch is one pass over the data, or as many as ``least_steps`` steps need. ``gradient`` is
    the way to that of a bound, by ``draws`` a sample: 1 if null, or 8 where they are each other's
    baseline. Flows of folds, which are averaged, have at most ``fold_epochs``.
    """

    epochs: int = Field(6, ge=1)
    fold_epochs: Count | None = None
    least_steps: int = Field(1, ge=1)
    batch_size: int = Field(256, ge=2)
    learning_rate: float = Field(2e-3, gt=0)
    head_learning_rate: float = Field(0.12, gt=0)
    weight_decay: float = Field(1.0, ge=0)
    warmup: float = Field(0.25, gt=0, lt=1)
    patience: int = Field(10, ge=1)
    precision: Precision = "auto"
    gradient: Gradient = "reparametrised"
    draws: int | None = Field(None, ge=1, le=1_000)

    @property
    def of_folds(self) -> Self:
        """The same for flows of folds."""
        return self.model_copy(update={"epochs": min(self.epochs, self.fold_epochs or self.epochs)})

    @property
    def gradient_draws(self) -> int:
        """How many draws a sample has in one step."""
        return self.draws or (8 if self.gradient == "log-derivative" else 1)


class CalibrateSettings(Section):
    """The rule that sets the threshold, unless ``calibrate`` is given another.

    ``k`` is that of ``sigma``; ``alpha`` and ``confidence`` are the claim of the others. ``score``
    is which score gets the threshold.
    """

    score: ScoreName = "likelihood"
    rule: SettingRule = "sigma"
    k: float = Field(3.0, gt=0)
    alpha: float = Field(0.01, gt=0, lt=1)
    confidence: float = Field(0.95, gt=0, lt=1)
    tail: Tail = "low"


class Settings(Section):
    """Everything that decides what a run becomes, besides the data themselves.

    A ``private`` run keeps no samples that it has learned from. Others of tables keep rows, beside
    which new ones are held, if ``neighbours`` says so.
    """

    seed: int = Field(0, ge=0, lt=2**63)
    private: bool = False
    neighbours: bool = True
    model: ModelName = "nice"
    data: DataSettings = DataSettings()
    flow: FlowSettings = FlowSettings()
    vae: VAESettings = VAESettings()
    train: TrainSettings = TrainSettings()
    calibrate: CalibrateSettings = CalibrateSettings()

    @property
    def noise(self) -> float:
        """That of columns in training, as the chosen model has it."""
        return (self.vae if self.model == "vae" else self.flow).noise

    @property
    def cut(self) -> DataSettings:
        """How samples are cut: flows alone are trained side by side."""
        alone = self.model != "nice" and self.data.folds == "auto"
        return self.data.model_copy(update={"folds": 0}) if alone else self.data

    @model_validator(mode="after")
    def _folds_of_flows(self) -> Self:
        """Only flows are trained side by side, and one alone has no folds."""
        folds = self.data.folds
        if folds not in ("auto", 0, *range(2, MOST_FOLDS + 1)):
            raise ValueError(f"data.folds takes auto, 0, or 2 to {MOST_FOLDS}, got {folds}")
        if self.model != "nice" and self.data.folds not in ("auto", 0):
            raise ValueError("data.folds is for flows: with another model it is 0")
        return self

    @model_validator(mode="after")
    def _gradient_of_a_bound(self) -> Self:
        """An exact likelihood has one gradient; a baseline of other draws takes another draw."""
        train = self.train
        if self.model == "nice" and (train.gradient, train.draws) != ("reparametrised", None):
            raise ValueError(
                "train.gradient and train.draws are for a model that draws: set model to vae"
            )
        if train.gradient == "log-derivative" and train.gradient_draws < 2:
            raise ValueError(
                "train.draws: the baseline of train.gradient log-derivative is the mean of the "
                "other draws: take 2 or more, or plain-log-derivative"
            )
        return self
